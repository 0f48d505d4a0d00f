/** One word for an upstream out of everything that watches it. The worst that is true wins. */
import type { Condition } from '../model.ts'

export interface Signals {
  /** Of the way back: `shut` = only probes pass, `ramping` = staged opening. */
  readonly gate: 'open' | 'shut' | 'ramping'
  readonly drift: 'healthy' | 'watch' | 'slow' | 'fast'
  /** More calls in flight than ever while healthy, and many of them overdue. */
  readonly crowded: boolean
  /** The error channel crossed its alarm. */
  readonly failing: boolean
  /** The upstream itself says "too much": 429, 503 and 529 are a visible share of its answers. */
  readonly losing: boolean
  readonly storm: 'calm' | 'forming' | 'storm'
  /** A discovered limit is still in force. */
  readonly limited: boolean
}

export function conditionOf(signals: Signals): Condition {
  if (signals.gate === 'shut') return 'down'
  if (signals.failing || signals.losing) return 'degraded'
  if (signals.gate === 'ramping') return 'recovering'
  if (signals.storm === 'storm') return 'storming'
  // A forming storm at an upstream that is under suspicion already is acted on before errors dominate
  // (algorithms.md 3(3)).
  if (
    signals.drift === 'slow' ||
    signals.crowded ||
    (signals.storm === 'forming' && signals.drift === 'watch')
  )
    return 'drifting'
  if (signals.limited) return 'recovering'
  // A sudden speed-up is suspicious (empty answers, a cache, a stub): worth a look, never an act against calls.
  return signals.drift === 'healthy' && signals.storm === 'calm' ? 'healthy' : 'watch'
}

/** Conditions in which the upstream's discovered limit, budget and gate rule. */
export function isUnwell(condition: Condition): boolean {
  return condition !== 'healthy' && condition !== 'watch'
}
