/**
 * Many Weirs in virtual time before the same upstreams, joined by a simulated board: the real core, words, roster and pace;
 * only the wire to the board is modelled, with delay, loss and cuts.
 */
import { MemoryBoard } from '../../../src/board/memory-board.ts'
import { ExchangePace, URGENT_MS } from '../../../src/board/pace.ts'
import { Roster } from '../../../src/board/roster.ts'
import { readSummary, writeSummary } from '../../../src/board/summary-format.ts'
import type { FleetCore } from '../../../src/core/coordinator.ts'
import { familyOf } from '../../../src/core/families.ts'
import type { CoreEvent, Millis } from '../../../src/core/model.ts'
import type { Policy } from '../../../src/core/policy.ts'
import { seeded, type Random } from '../../../src/core/random.ts'
import { startAgents, type LogicalCall, type Submit } from './agent-model.ts'
import { TAIL_MS, type Run, type Scenario } from './scenario.ts'
import { UpstreamModel } from './upstream-model.ts'
import { WeirModel } from './weir-model.ts'
import { World } from './world.ts'

export interface FleetOptions {
  readonly replicas: number
  /** False = each for itself, as without a board. */
  readonly board: boolean
  /** One way to the board. */
  readonly delayMs?: Millis
  /** Of the exchanges, those that are lost; 0..1. */
  readonly loss?: number
  /** Replicas without a way to the board, for a time. */
  readonly cuts?: readonly {
    readonly from: Millis
    readonly until: Millis
    readonly replicas: readonly number[]
  }[]
  /** Calls of an agent go to any replica, as through a balancer; else to the replica of its own. */
  readonly balanced?: boolean
}

export interface FleetRun extends Run {
  readonly eventsByReplica: readonly (readonly CoreEvent[])[]
  readonly weirs: readonly WeirModel[]
  /** Per 100 ms: calls at the troubled upstream, and the limit that was in force for all together (Infinity = none). */
  readonly limits: readonly { readonly at: Millis; readonly inFlight: number; readonly limit: number }[]
  readonly exchanges: number
  readonly bytes: number
}

const WATCH_MS = 50
const TIMEOUT_MS = 250
const LINK_MS = 1500
const SAMPLE_MS = 100

export function playFleet(scenario: Scenario, policy: Policy, options: FleetOptions): FleetRun {
  const world = new World()
  const random = seeded(scenario.seed)
  const names = Object.keys(scenario.upstreams)
  const upstreams = Object.values(scenario.upstreams).map(
    (shape) => new UpstreamModel(world, shape, seeded(Math.floor(random() * 2 ** 32))),
  )
  const calls: LogicalCall[] = []
  const weirs = Array.from(
    { length: options.replicas },
    (_, index) => new WeirModel(world, names, upstreams, policy, scenario.seed + index),
  )
  const board = new MemoryBoard(() => world.now)
  const count = { exchanges: 0 }
  if (options.board) {
    for (const [index, weir] of weirs.entries()) {
      const core = weir.core as unknown as FleetCore
      for (const upstream of names.keys()) {
        joinFleet(
          world,
          board,
          options,
          { core, index, upstream, weir, count },
          seeded(scenario.seed * 31 + index),
        )
      }
    }
  }
  let turn = 0
  const homes = new Map<string, number>()
  const submit: Submit = (arrival, answer) => {
    turn += 1
    let home = options.balanced === true ? turn % options.replicas : homes.get(arrival.agent)
    if (home === undefined) homes.set(arrival.agent, (home = homes.size % options.replicas))
    return weirs[home]!.submit(arrival, answer)
  }
  for (const population of scenario.populations) {
    const own = seeded(Math.floor(random() * 2 ** 32))
    startAgents(world, population, familyOf(population.family), submit, own, scenario.durationMs, calls)
  }
  const limits: { at: Millis; inFlight: number; limit: number }[] = []
  const troubled = scenario.trouble.upstream
  const sample = (): void => {
    const readings = weirs.map((weir) => weir.core.read(world.now).upstreams[troubled]!)
    const inFlight = readings.reduce((sum, reading) => sum + reading.inFlight, 0)
    limits.push({ at: world.now, inFlight, limit: readings.reduce((sum, reading) => sum + reading.limit, 0) })
    if (world.now < scenario.durationMs) world.after(SAMPLE_MS, sample)
  }
  world.at(0, sample)
  world.run(scenario.durationMs + TAIL_MS)
  return {
    calls,
    upstreams,
    events: weirs.flatMap((weir) => weir.events).toSorted((a, b) => a.at - b.at),
    acts: weirs.flatMap((weir) => weir.acts).toSorted((a, b) => a.at - b.at),
    timeline: [],
    end: weirs[0]?.core.read(world.now),
    eventsByReplica: weirs.map((weir) => weir.events),
    weirs,
    limits,
    exchanges: count.exchanges,
    bytes: board.traffic.bytes,
  }
}

function joinFleet(...of: ConstructorParameters<typeof SimLink>): SimLink {
  return new SimLink(...of)
}

/** `board/link.ts` with virtual time in place of timers and promises. */
class SimLink {
  readonly #world: World
  readonly #board: MemoryBoard
  readonly #options: FleetOptions
  readonly #core: FleetCore
  readonly #index: number
  readonly #upstream: number
  readonly #weir: WeirModel
  readonly #count: { exchanges: number }
  readonly #random: Random
  readonly #name: string
  readonly #roster: Roster
  readonly #pace: ExchangePace
  #dueAt: Millis = 0
  #sentAt: Millis = -Infinity
  #sequence = 0
  #stamp = -1

  constructor(
    world: World,
    board: MemoryBoard,
    options: FleetOptions,
    of: { core: FleetCore; index: number; upstream: number; weir: WeirModel; count: { exchanges: number } },
    random: Random,
  ) {
    this.#world = world
    this.#board = board
    this.#options = options
    this.#core = of.core
    this.#index = of.index
    this.#upstream = of.upstream
    this.#weir = of.weir
    this.#count = of.count
    this.#random = random
    this.#name = `r${String(of.index).padStart(4, '0')}`
    this.#roster = new Roster(this.#name, of.upstream)
    this.#pace = new ExchangePace(random)
    world.after(random() * 1000, () => this.#watch())
  }

  get #cut(): boolean {
    const { now } = this.#world
    return (this.#options.cuts ?? []).some(
      ({ from, until, replicas }) => now >= from && now < until && replicas.includes(this.#index),
    )
  }

  #watch(): void {
    const { now } = this.#world
    const outlook = this.#core.outlook(this.#upstream)
    const urgent = outlook.stamp !== this.#stamp && now - this.#sentAt >= URGENT_MS
    if (now >= this.#dueAt || urgent) {
      this.#stamp = outlook.stamp
      this.#sentAt = now
      this.#dueAt = now + this.#pace.after(outlook.restlessness, ExchangePace.load(outlook.restlessness))
      this.#exchange(outlook.claims)
    }
    this.#world.after(WATCH_MS, () => this.#watch())
  }

  #exchange(claim: boolean): void {
    const { delayMs = 1, loss = 0 } = this.#options
    this.#count.exchanges += 1
    if (this.#cut || this.#random() < loss) {
      this.#world.after(TIMEOUT_MS, () => this.#failed())
      return
    }
    this.#sequence += 1
    const word = writeSummary(this.#core.summary(this.#upstream, this.#world.now), this.#sequence)
    if (readSummary(word) === undefined) throw new Error('a word that nobody can read')
    const epoch = this.#roster.epoch
    this.#world.after(delayMs * (0.5 + this.#random()), () => {
      const answer = this.#board.swap({
        topic: `u${this.#upstream}`,
        replica: this.#name,
        word,
        claim,
        epoch,
      })
      this.#world.after(delayMs * (0.5 + this.#random()), () => {
        this.#roster.hear(answer, this.#world.now)
        this.#tell(true)
      })
    })
  }

  #failed(): void {
    if (this.#world.now - this.#roster.heardAt >= LINK_MS) this.#tell(false)
  }

  #tell(linked: boolean): void {
    this.#core.learn(this.#roster.view(this.#world.now, linked))
    this.#weir.look()
  }
}
