/** How an upstream attempt counts: see `SETTLEMENTS` in the core's model for what each kind does. */
import type { SettlementKind } from '../core/model.ts'

/**
 * A whole answer of the upstream's. A 408 is the upstream out of time; 429, 503 and 529 (Anthropic's "overloaded")
 * are congestion. Any other answer below 500 is one given on purpose, and its time is a sample of speed, unless the
 * call is one that lasts by nature.
 */
export function kindOfAnswer(status: number, longLived: boolean): SettlementKind {
  switch (status) {
    case 429:
    case 503:
    case 529:
      return 'dropped'
    case 408:
      return 'failure'
    default:
      if (status >= 500) return 'failure'
      return longLived ? 'ignored' : 'success'
  }
}
