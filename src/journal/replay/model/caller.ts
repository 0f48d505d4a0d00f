/**
 * A caller of the real clients: makes a call, and again by the retry rules of its family (`core/families.ts`, read off
 * the clients), until it has an answer or gives up.
 */
import type { Family } from '../../../core/families.ts'
import type { Arrival, Millis } from '../../../core/model.ts'
import type { Random } from '../../../core/random.ts'
import type { Answer, Handle } from './weir-model.ts'
import type { World } from './world.ts'

/** Virtual time, or a real clock of the same shape. */
export type Clock = Pick<World, 'now' | 'at' | 'after'>

export type Attempt = Omit<Arrival, 'at' | 'call'>
export type Submit = (arrival: Attempt, answer: (answer: Answer) => void) => Handle

/** One thing that a caller wants, over all its attempts. */
export interface WantedCall {
  /** As its first try comes. */
  readonly arrival: Attempt
  readonly family: Family
  /** One attempt is abandoned after this. */
  readonly timeoutMs: Millis
}

/** What becomes of it; the caller writes it. */
export interface CallFate {
  attempts: number
  endedAt: Millis
  ok: boolean
  /** Called when it is over, answered or given up. */
  readonly onEnd?: () => void
}

const RETRIED = new Set([408, 409, 429, 500, 502, 503, 504, 529])

/** Makes the next attempt now; the rest follows by itself. */
export function attemptCall(
  world: Clock,
  wanted: WantedCall,
  fate: CallFate,
  submit: Submit,
  random: Random,
): void {
  fate.attempts += 1
  const { family } = wanted
  let over = false
  const timeout = world.after(wanted.timeoutMs, () => {
    if (over) return
    over = true
    handle.abandon()
    finish(0, -1)
  })
  // Of a first try the journal knows whether it is proven; a retry is, by those clients that number theirs.
  const attempt = fate.attempts === 1 ? wanted.arrival.attempt : family.obeysShouldRetry ? fate.attempts : 0
  const handle = submit({ ...wanted.arrival, attempt }, (answer) => {
    if (over) return
    over = true
    timeout.cancel()
    finish(answer.status, answer.retryAfterMs)
  })

  function finish(status: number, retryAfterMs: Millis): void {
    if (status >= 200 && status < 300) {
      fate.endedAt = world.now
      fate.ok = true
      fate.onEnd?.()
      return
    }
    const retryable = status === 0 || RETRIED.has(status)
    if (!retryable || fate.attempts >= family.attempts) {
      fate.endedAt = world.now
      fate.onEnd?.()
      return
    }
    const [low, high] = family.backoff(fate.attempts)
    const told = retryAfterMs >= 0 && retryAfterMs <= family.adviceCeilingMs && family.advice !== 'none'
    const delay = told
      ? (family.advice === 'ms' ? retryAfterMs : Math.ceil(retryAfterMs / 1000) * 1000) + 2 + random() * 10
      : low + (high - low) * random()
    world.after(delay, () => attemptCall(world, wanted, fate, submit, random))
  }
}
