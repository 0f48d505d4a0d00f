/** When a call is sent, answered and over that goes upstream at another instant than in the journal, or only here. */
import type { Millis, SettlementKind } from '../../core/model.ts'
import type { CallRows } from './call-rows.ts'
import type { Estimator } from './estimate.ts'

export interface ApartPlan {
  /** Infinity = it does not come to that. */
  readonly sentAt: Millis
  readonly headAt: Millis
  readonly endsAt: Millis
  readonly chunksAt: readonly Millis[]
  readonly headStatus: number
  readonly streaming: boolean
  readonly kind: SettlementKind
  readonly status: number
  readonly answered: boolean
}

/** All that the journal has of the attempt happens `by` later (earlier when negative); the client's patience stays. */
export function moved(rows: CallRows, row: number, at: Millis, by: Millis): ApartPlan {
  const arrivedAt = rows.at(row)
  const kind = rows.settled(row)
  const leavesAt = kind === 'cancelled' ? arrivedAt + rows.endMs(row) : Infinity
  const givesUpAt = Math.min(leavesAt, arrivedAt + Math.max(rows.patienceMs(row), rows.endMs(row)))
  const shifted = (ms: Millis): Millis => (ms < 0 ? Infinity : arrivedAt + ms + by)
  const chunks = rows.chunks(row)?.filter((_, index) => index % 2 === 1) ?? []
  return cut(
    {
      sentAt: shifted(rows.sentMs(row)),
      headAt: shifted(rows.headMs(row)),
      // Without an end in the journal (it was open when that ended) it stays open here, too.
      endsAt: kind === undefined ? Infinity : shifted(rows.endMs(row)),
      chunksAt: chunks.map(shifted),
      headStatus: rows.headStatus(row),
      streaming: rows.isStreaming(row),
      kind: kind ?? 'cancelled',
      status: rows.endStatus(row),
      answered: rows.isAnswered(row),
    },
    Math.max(at, givesUpAt),
  )
}

/** The journal has no answer: what calls of its kind got lately stands for it. */
export function imagined(rows: CallRows, row: number, at: Millis, estimator: Estimator): ApartPlan {
  const guess = estimator.guess(rows.upstream[row]!, rows.route(row))
  const leavesMs = rows.settled(row) === 'cancelled' ? rows.endMs(row) : Infinity
  const givesUpAt = rows.at(row) + Math.min(rows.patienceMs(row), leavesMs)
  const { kind, status, answered, streaming } = guess
  return cut(
    {
      sentAt: at,
      headAt: guess.headMs < 0 ? Infinity : at + guess.headMs,
      endsAt: at + guess.endMs,
      chunksAt: [],
      headStatus: status,
      streaming,
      kind,
      status,
      answered,
    },
    Math.max(at, givesUpAt),
  )
}

/** What comes after the client has left does not come. */
function cut(plan: ApartPlan, leavesAt: Millis): ApartPlan {
  const endsAt = Math.min(plan.endsAt, leavesAt)
  const before = (when: Millis): Millis => (when <= endsAt ? when : Infinity)
  const headAt = before(plan.headAt)
  const kept = {
    ...plan,
    endsAt,
    headAt,
    sentAt: before(plan.sentAt),
    chunksAt: plan.chunksAt.filter((when) => when <= endsAt),
  }
  if (leavesAt >= plan.endsAt) return kept
  return { ...kept, kind: 'cancelled', status: headAt === Infinity ? 0 : plan.headStatus, answered: false }
}
