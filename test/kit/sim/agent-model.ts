/** Agents in virtual time: each has logical calls of its own, and makes them as the clients of its family do. */
import type { Family } from '../../../src/core/families.ts'
import { hashId } from '../../../src/core/fleet/sketch.ts'
import type { Millis, Priority } from '../../../src/core/model.ts'
import type { Random } from '../../../src/core/random.ts'
import {
  attemptCall,
  type CallFate,
  type Clock,
  type Submit,
  type WantedCall,
} from '../../../src/journal/replay/model/caller.ts'

export type { Clock, Submit } from '../../../src/journal/replay/model/caller.ts'

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
  /** Its calls are all of one length: nothing tells two of an agent's from each other. */
  readonly alike?: boolean
  readonly from?: Millis
  readonly until?: Millis
}

/** Attempts that reached the upstream are counted by the upstream itself. */
export interface LogicalCall extends CallFate {
  readonly population: Population
  readonly agent: string
  readonly bornAt: Millis
}

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
        attemptCall(world, wantedOf(call, family, calls.length), call, submit, random)
        next(world.now)
      })
    }
    next(from)
  }
}

function wantedOf({ population, agent }: LogicalCall, family: Family, identity: number): WantedCall {
  const { upstream, bytes, priority, timeoutMs } = population
  const isAlike = population.alike === true
  return {
    family,
    timeoutMs,
    arrival: {
      upstream,
      agent,
      trust: 'claimed',
      workflow: `${agent}/${identity}`,
      parent: '',
      method: 'POST',
      path: '/v1/call',
      route: '/v1/call',
      bytes,
      priority,
      family: family.name,
      patienceMs: timeoutMs,
      // A client that counts its attempts says that it is the first.
      attempt: isAlike && family.countsAttempts === true ? 1 : 0,
      onceKey: 0,
      fingerprint: isAlike ? hashId(agent) : identity,
      credential: 0,
      longLived: false,
      holdable: true,
      deferrable: false,
    },
  }
}
