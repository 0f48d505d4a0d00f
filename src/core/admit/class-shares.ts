/**
 * What each priority class may count on while calls wait. Shares and lending are those of the API Priority and
 * Fairness of Kubernetes (KEP-1040): `nominal` is the class's part of the upstream, `lendable` how much of it a
 * higher class may use while it waits. What is not lendable is guaranteed, whatever the higher classes offer.
 */
import type { Priority } from '../model.ts'

export interface ClassShare {
  /** Place in the order of service, 0 first. */
  readonly rank: number
  readonly nominal: number
  readonly lendable: number
}

export const CLASS_SHARES: Readonly<Record<Priority, ClassShare>> = {
  critical: { rank: 0, nominal: 0.5, lendable: 0 },
  interactive: { rank: 1, nominal: 0.25, lendable: 0.5 },
  normal: { rank: 2, nominal: 0.2, lendable: 0.9 },
  batch: { rank: 3, nominal: 0.05, lendable: 1 },
}

/** The part of the service that a class gets even while every higher class waits. */
export function guaranteed(share: ClassShare): number {
  return share.nominal * (1 - share.lendable)
}
