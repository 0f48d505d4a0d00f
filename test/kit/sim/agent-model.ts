/**
 * Agents in virtual time: each has logical calls of its own, and the retry rules of its client family
 * (`src/core/families.ts`, read off the real clients).
 */
import type { Family } from '../../../src/core/families.ts'
import type { Arrival, Millis, Priority } from '../../../src/core/model.ts'
import type { Random } from '../../../src/core/random.ts'
import type { Answer, Handle } from './weir-model.ts'
import type { World } from './world.ts'

/** Virtual time, or a real clock of the same shape. */
export type Clock = Pick<World, 'now' | 'at' | 'after'>

export interface Population {
  readonly name: string
  readonly agents: number
  readonly upstream: number
  /** Logical calls per second of one agent (Poisson). */
  readonly perSecond: number
  readonly priority: Priority
  /** One attempt is abandoned after this. */
  readonly timeoutMs: Millis
  /** An answer after this is of no use. */
  readonly deadlineMs: Millis
  readonly family: string
  readonly bytes: number
  readonly from?: Millis
  readonly until?: Millis
}

export interface LogicalCall {
  readonly population: Population
  readonly agent: string
  readonly bornAt: Millis
  attempts: number
  /** Attempts that reached the upstream are counted by the upstream itself. */
  endedAt: Millis
  ok: boolean
}

export type Submit = (arrival: Omit<Arrival, 'at' | 'call'>, answer: (answer: Answer) => void) => Handle

const RETRIED = new Set([408, 409, 429, 500, 502, 503, 504, 529])

export function startAgents(
  world: Clock,
  population: Population,
  family: Family,
  submit: Submit,
  random: Random,
  until: Millis,
  calls: LogicalCall[],
): void {
  const from = population.from ?? 0
  const end = Math.min(until, population.until ?? Infinity)
  for (let index = 0; index < population.agents; index++) {
    const agent = `${population.name}-${index}`
    const next = (at: Millis): void => {
      const due = at + (-Math.log(1 - random()) * 1000) / population.perSecond
      if (due >= end) return
      world.at(due, () => {
        const call = { population, agent, bornAt: world.now, attempts: 0, endedAt: Infinity, ok: false }
        calls.push(call)
        attempt(world, call, family, submit, random, calls.length)
        next(world.now)
      })
    }
    next(from)
  }
}

function attempt(
  world: Clock,
  call: LogicalCall,
  family: Family,
  submit: Submit,
  random: Random,
  identity: number,
): void {
  call.attempts += 1
  const { population } = call
  const stainless = family.obeysShouldRetry
  let over = false
  const timeout = world.after(population.timeoutMs, () => {
    if (over) return
    over = true
    handle.abandon()
    finish(0, -1)
  })
  const handle = submit(
    {
      upstream: population.upstream,
      agent: call.agent,
      trust: 'claimed',
      workflow: `${call.agent}/${identity}`,
      parent: '',
      method: 'POST',
      path: '/v1/call',
      route: '/v1/call',
      bytes: population.bytes,
      priority: population.priority,
      family: family.name,
      patienceMs: population.timeoutMs,
      attempt: stainless && call.attempts > 1 ? call.attempts : 0,
      onceKey: 0,
      fingerprint: identity,
      credential: 0,
      longLived: false,
      holdable: true,
      deferrable: false,
    },
    (answer) => {
      if (over) return
      over = true
      timeout.cancel()
      finish(answer.status, answer.retryAfterMs)
    },
  )

  function finish(status: number, retryAfterMs: Millis): void {
    if (status >= 200 && status < 300) {
      call.endedAt = world.now
      call.ok = true
      return
    }
    const retryable = status === 0 || RETRIED.has(status)
    if (!retryable || call.attempts >= family.attempts) {
      call.endedAt = world.now
      return
    }
    const [low, high] = family.backoff(call.attempts)
    const told = retryAfterMs >= 0 && retryAfterMs <= family.adviceCeilingMs && family.advice !== 'none'
    const delay = told
      ? (family.advice === 'ms' ? retryAfterMs : Math.ceil(retryAfterMs / 1000) * 1000) + 2 + random() * 10
      : low + (high - low) * random()
    world.after(delay, () => attempt(world, call, family, submit, random, identity))
  }
}
