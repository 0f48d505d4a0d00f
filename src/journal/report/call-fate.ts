/** How a call ended, in the five words of the report. */
import type { SettlementKind } from '../../core/model.ts'
import type { CallLine } from '../line.ts'

/**
 * `answered`: by the upstream, and meant. `throttled`: the upstream said "too many" (429, 503, 529). `failed`: 5xx,
 * 408, broken, never answered. `abandoned`: its client left. `refused`: by Weir, at once or at the end of a hold.
 * `deferred`: answered later, on another way.
 */
export const FATES = ['answered', 'throttled', 'failed', 'abandoned', 'refused', 'deferred'] as const
export type Fate = (typeof FATES)[number]

/**
 * Fates of which nobody had anything. A refusal by Weir is none of them: the upstream had no work with it, and its
 * caller was told when to come back. It is counted apart.
 */
export const FOR_NOTHING: ReadonlySet<Fate> = new Set(['throttled', 'failed', 'abandoned'])

const SETTLED: Readonly<Record<SettlementKind, Fate>> = {
  success: 'answered',
  ignored: 'answered',
  dropped: 'throttled',
  cancelled: 'abandoned',
  failure: 'failed',
}

export function fateOf(line: Pick<CallLine, 'outcome' | 'settled' | 'status' | 'refusal'>): Fate {
  switch (line.outcome) {
    case 'shed':
    case 'hold-expired':
      return 'refused'
    case 'deferred':
      return 'deferred'
    case 'client-gone':
      return 'abandoned'
    case 'upstream-error':
      return line.refusal === undefined ? 'failed' : 'refused'
    case 'passed':
    case 'passed-after-hold':
      break
  }
  if (line.settled === undefined) return line.status === 0 || line.status >= 500 ? 'failed' : 'answered'
  return SETTLED[line.settled]
}

/** It went to the upstream: that is what is paid for. */
export function wasSent(line: CallLine): boolean {
  return line.sentMs !== undefined || (line.settled !== undefined && line.headMs !== undefined)
}
