/** Bare cores in virtual time with a board between them: calls of one's own making, without a model of an upstream. */
import { MemoryBoard } from '../../../src/board/memory-board.ts'
import { createCoordinator, type Coordinator, type FleetCore } from '../../../src/core/coordinator.ts'
import type { Arrival, CallSlot, Millis, Verdict } from '../../../src/core/model.ts'
import { arrivalOf } from '../core-driver.ts'
import { policyOf } from '../policy.ts'
import { joinFleet, type FleetOptions } from './fleet.ts'
import { World } from './world.ts'

export interface Passed {
  readonly at: Millis
  readonly replica: number
  readonly agent: string
}

const TICK_MS = 50

interface Waiting {
  readonly agent: string
  readonly bytes: number
  readonly lastsMs: Millis
}

export class JoinedCores {
  readonly world = new World()
  readonly passed: Passed[] = []
  readonly refused: Passed[] = []
  readonly cores: readonly (Coordinator & FleetCore)[]
  readonly board: MemoryBoard
  readonly traffic = { exchanges: 0 }
  /** Calls at the upstream now, by replica, and the most there ever were of all together since `watch`. */
  readonly inFlight: number[]
  most = 0
  readonly #free: CallSlot[][]
  readonly #held: Map<CallSlot, Waiting>[]
  #serial = 0

  /** @param cuts when which replicas have no way to the board */
  constructor(policy: string, replicas: number, options: Omit<FleetOptions, 'replicas' | 'board'> = {}) {
    const upstreams = ['api']
    const compiled = policyOf(policy, upstreams)
    this.board = new MemoryBoard(() => this.world.now)
    this.cores = Array.from({ length: replicas }, (_, seed) =>
      createCoordinator({ policy: compiled, upstreams, seed, maxAgents: 500, maxWorkflows: 500 }),
    )
    this.inFlight = this.cores.map(() => 0)
    this.#free = this.cores.map(() => [])
    this.#held = this.cores.map(() => new Map())
    for (const [index, core] of this.cores.entries()) {
      joinFleet(
        this.world,
        this.board,
        options,
        { core, upstreams: 1, index, seed: 5, count: this.traffic },
        () => this.#tick(index),
      )
      this.#beat(index)
    }
  }

  /** A call through one replica, now, that lasts so long once it is sent. */
  call(replica: number, facts: Partial<Arrival> = {}, lastsMs: Millis = 50): Verdict {
    const { now } = this.world
    this.#serial += 1
    const call = this.#free[replica]!.pop() ?? this.#serial
    const arrival = arrivalOf({ fingerprint: this.#serial, ...facts, at: now, call })
    const verdict = this.cores[replica]!.arrive(arrival)
    const { agent, bytes } = arrival
    const waiting: Waiting = { agent, bytes, lastsMs }
    if (verdict.do === 'pass') this.#send(replica, call, waiting)
    else if (verdict.do === 'hold') this.#held[replica]!.set(call, waiting)
    else {
      this.#free[replica]!.push(call)
      this.refused.push({ at: now, replica, agent })
    }
    return verdict
  }

  /** The same again and again from now on, `perSecond` evenly spaced. */
  every(perSecond: number, until: Millis, act: (turn: number) => void): void {
    const gap = 1000 / perSecond
    const from = this.world.now
    for (let turn = 0; from + turn * gap < until; turn++) this.world.at(from + turn * gap, () => act(turn))
  }

  run(until: Millis): void {
    this.world.run(until)
  }

  /** Calls that passed in a stretch of time. */
  passedIn(from: Millis, until: Millis, of: (passed: Passed) => boolean = () => true): number {
    return this.passed.filter((one) => one.at >= from && one.at < until && of(one)).length
  }

  #beat(replica: number): void {
    this.#tick(replica)
    this.world.after(TICK_MS, () => this.#beat(replica))
  }

  #tick(replica: number): void {
    for (const directive of this.cores[replica]!.tick(this.world.now)) {
      if (directive.do === 'announce') continue
      const waiting = this.#held[replica]!.get(directive.call)
      this.#held[replica]!.delete(directive.call)
      if (directive.do === 'release' && waiting !== undefined) this.#send(replica, directive.call, waiting)
      else this.#free[replica]!.push(directive.call)
    }
  }

  #send(replica: number, call: CallSlot, { agent, bytes, lastsMs }: Waiting): void {
    const core = this.cores[replica]!
    const at = this.world.now
    this.passed.push({ at, replica, agent })
    this.inFlight[replica]! += 1
    this.most = Math.max(
      this.most,
      this.inFlight.reduce((sum, count) => sum + count, 0),
    )
    core.progress({ kind: 'sent', call, at })
    this.world.after(lastsMs, () => {
      this.inFlight[replica]! -= 1
      const { now } = this.world
      core.settle({
        call,
        at: now,
        kind: 'success',
        status: 200,
        answered: true,
        bytesIn: bytes,
        bytesOut: 50,
      })
      this.#free[replica]!.push(call)
      this.#tick(replica)
    })
  }
}
