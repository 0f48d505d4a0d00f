/** The five figures that every row of `faults` has, whatever it measures besides. */
import type { Ending } from '../../test/kit/faults/checked-caller.ts'

export interface Tally {
  /** Without calls whose clients left on purpose. */
  readonly sent: number
  readonly answered: number
  readonly wronglyAnswered: number
  readonly lost: number
  readonly overBoundMs: number
}

/** Where nothing but Weir may break a connection: a break is a wrong answer. */
export function tallyOf(endings: readonly Ending[], overBoundMs: number): Tally {
  const sent = endings.filter((ending) => ending !== 'left')
  const lost = sent.filter((ending) => ending === 'lost').length
  const answered = sent.filter((ending) => ending === 'whole' || ending === 'own').length
  return {
    sent: sent.length,
    answered,
    wronglyAnswered: sent.length - answered - lost,
    lost,
    overBoundMs: Math.max(0, Math.round(overBoundMs)),
  }
}
