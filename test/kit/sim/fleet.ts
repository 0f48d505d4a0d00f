/**
 * Many Weirs in virtual time before the same upstreams, joined by a simulated board: the real core, words, roster and pace;
 * only the wire to the board is modelled, with delay, loss and cuts.
 */
import { MemoryBoard } from '../../../src/board/memory-board.ts'
import { ExchangePace } from '../../../src/board/pace.ts'
import { CALLERS_WORDS } from '../../../src/board/callers-format.ts'
import { CALLERS_TOPIC } from '../../../src/board/link.ts'
import { Roster, type HeardView } from '../../../src/board/roster.ts'
import { SUMMARY_WORDS } from '../../../src/board/summary-format.ts'
import type { WordFormat } from '../../../src/board/word-format.ts'
import type { FleetCore } from '../../../src/core/coordinator.ts'
import type { Outlook } from '../../../src/core/fleet.ts'
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
      joinFleet(
        world,
        board,
        options,
        { core, upstreams: names.length, index, seed: scenario.seed, count },
        () => weir.look(),
      )
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

/** Who is joined, and what is counted of it. */
export interface Joining {
  readonly core: FleetCore
  readonly upstreams: number
  readonly index: number
  readonly seed: number
  readonly count: FleetCount
}

export interface FleetCount {
  exchanges: number
  /** Real ms that it took to say a word, and to read and merge those of the others. */
  mergeMs?: number
}

/** Joins one core to the board, with every upstream and its callers. @param onLearnt something may be due there */
export function joinFleet(
  world: World,
  board: MemoryBoard,
  options: Omit<FleetOptions, 'replicas' | 'board'>,
  { core, upstreams, index, seed, count }: Joining,
  onLearnt: () => void,
): void {
  const random = seeded(seed * 31 + index)
  const tell = <S>(topic: Topic<S>): SimLink<S> =>
    new SimLink(world, board, options, { index, count, onLearnt }, topic, random)
  for (let upstream = 0; upstream < upstreams; upstream++) {
    tell({
      name: `u${upstream}`,
      format: SUMMARY_WORDS,
      outlook: () => core.outlook(upstream),
      summary: (now) => core.summary(upstream, now),
      learn: (view) => core.learn({ ...view, upstream }),
    })
  }
  tell({
    name: CALLERS_TOPIC,
    format: CALLERS_WORDS,
    outlook: () => core.callersOutlook(),
    summary: (now) => core.callers(now),
    learn: ({ at, replica, linked, peers, steward }) =>
      core.learnCallers({ at, replica, linked, peers, steward }),
  })
}

interface Topic<S> {
  readonly name: string
  readonly format: WordFormat<S>
  outlook(): Outlook
  summary(now: Millis): S
  learn(view: HeardView<S>): void
}

/** `board/link.ts` with virtual time in place of timers and promises. */
class SimLink<S> {
  readonly #world: World
  readonly #board: MemoryBoard
  readonly #options: Omit<FleetOptions, 'replicas' | 'board'>
  readonly #of: {
    readonly index: number
    readonly count: FleetCount
    readonly onLearnt: () => void
  }
  readonly #topic: Topic<S>
  readonly #random: Random
  readonly #name: string
  readonly #roster: Roster<S>
  readonly #pace: ExchangePace
  #dueAt: Millis = 0
  #sentAt: Millis = -Infinity
  #sequence = 0
  #stamp = -1

  constructor(
    world: World,
    board: MemoryBoard,
    options: Omit<FleetOptions, 'replicas' | 'board'>,
    of: { readonly index: number; readonly count: FleetCount; readonly onLearnt: () => void },
    topic: Topic<S>,
    random: Random,
  ) {
    this.#world = world
    this.#board = board
    this.#options = options
    this.#of = of
    this.#topic = topic
    this.#random = random
    this.#name = `r${String(of.index).padStart(4, '0')}`
    this.#roster = new Roster(this.#name, topic.format)
    this.#pace = new ExchangePace(random)
    world.after(random() * 1000, () => this.#watch())
  }

  get #cut(): boolean {
    const { now } = this.#world
    return (this.#options.cuts ?? []).some(
      ({ from, until, replicas }) => now >= from && now < until && replicas.includes(this.#of.index),
    )
  }

  #watch(): void {
    const { now } = this.#world
    const outlook = this.#topic.outlook()
    const { restlessness } = outlook
    const load = ExchangePace.load(restlessness)
    const isNews = outlook.stamp !== this.#stamp
    const urgent = isNews && now - this.#sentAt >= ExchangePace.urgentAfter(load)
    if (now >= this.#dueAt || urgent) {
      this.#stamp = outlook.stamp
      this.#sentAt = now
      this.#dueAt = now + this.#pace.after(restlessness, load, this.#roster.known + 1)
      this.#exchange(outlook.claims)
    }
    this.#world.after(WATCH_MS, () => this.#watch())
  }

  #exchange(claim: boolean): void {
    const { delayMs = 1, loss = 0 } = this.#options
    this.#of.count.exchanges += 1
    if (this.#cut || this.#random() < loss) {
      this.#world.after(TIMEOUT_MS, () => this.#failed())
      return
    }
    this.#sequence += 1
    const { name: topic, format } = this.#topic
    const word = this.#clocked(() => format.write(this.#topic.summary(this.#world.now), this.#sequence))
    if (format.read(word) === undefined) throw new Error('a word that nobody can read')
    const epoch = this.#roster.epoch
    this.#world.after(delayMs * (0.5 + this.#random()), () => {
      const answer = this.#board.swap({ topic, replica: this.#name, word, claim, epoch })
      this.#world.after(delayMs * (0.5 + this.#random()), () => {
        this.#clocked(() => {
          this.#roster.hear(answer, this.#world.now)
          this.#tell(true)
        })
      })
    })
  }

  #clocked<R>(act: () => R): R {
    const from = performance.now()
    const result = act()
    const { count } = this.#of
    count.mergeMs = (count.mergeMs ?? 0) + performance.now() - from
    return result
  }

  #failed(): void {
    if (this.#world.now - this.#roster.heardAt >= LINK_MS) this.#tell(false)
  }

  #tell(linked: boolean): void {
    this.#topic.learn(this.#roster.view(this.#world.now, linked))
    this.#of.onLearnt()
  }
}
