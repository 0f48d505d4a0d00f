/**
 * A circuit breaker in each agent, as the README of cockatiel sets one up: five failures, ten seconds; these compressed
 * as the story is.
 */
import { createRequire } from 'node:module'
import type { Submit } from '../../test/kit/sim/agent-model.ts'
import type { Answer } from '../../test/kit/sim/weir-model.ts'
import { COMPRESSION } from './compression.ts'
import type { Act } from './http-agents.ts'
import type { RealClock } from './real-clock.ts'

interface Breaker {
  execute<T>(run: () => Promise<T>): Promise<T>
}
interface Cockatiel {
  readonly circuitBreaker: (on: unknown, options: { halfOpenAfter: number; breaker: unknown }) => Breaker
  handleAll: unknown
  ConsecutiveBreaker: new (failures: number) => unknown
  readonly isBrokenCircuitError: (error: unknown) => boolean
}

const FAILURES = 5
const HALF_OPEN_AFTER_MS = 10_000 * COMPRESSION
/** What a client sees while its breaker is open. */
const REFUSED: Answer = { status: 503, retryAfterMs: -1, by: 'weir' }

function nothing(): void {}

export function breakers(submit: Submit, clock: RealClock, acts: Act[]): Submit {
  const { circuitBreaker, handleAll, ConsecutiveBreaker, isBrokenCircuitError } = createRequire(
    import.meta.url,
  )('cockatiel') as Cockatiel
  const byAgent = new Map<string, Breaker>()
  return (arrival, answer) => {
    let breaker = byAgent.get(arrival.agent)
    if (breaker === undefined) {
      breaker = circuitBreaker(handleAll, {
        halfOpenAfter: HALF_OPEN_AFTER_MS,
        breaker: new ConsecutiveBreaker(FAILURES),
      })
      byAgent.set(arrival.agent, breaker)
    }
    let abandon = nothing
    const attempt = (): Promise<void> =>
      new Promise((resolve, reject) => {
        const handle = submit(arrival, (got) => {
          answer(got)
          if (got.status === 429 || got.status >= 500 || got.status === 0)
            reject(new Error(String(got.status)))
          else resolve()
        })
        abandon = () => {
          handle.abandon()
          reject(new Error('timeout'))
        }
      })
    breaker.execute(attempt).catch((error: unknown) => {
      if (!isBrokenCircuitError(error)) return
      acts.push({ at: clock.now, do: 'shed', reason: 'open' })
      answer(REFUSED)
    })
    return { abandon: () => abandon() }
  }
}
