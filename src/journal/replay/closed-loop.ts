/**
 * A journal in a closed loop: what its callers wanted, made by models of their clients, at models of its upstreams,
 * with no Weir between them and with the real core under given policies. Nothing of the record is replayed but the
 * instants at which callers first wanted something; who is refused comes back by the rules of its client, and what
 * an upstream is spared makes it faster.
 */
import { familyOf } from '../../core/families.ts'
import { LatencyHistogram } from '../../core/observe/latency-histogram.ts'
import type { Millis } from '../../core/model.ts'
import { seeded } from '../../core/random.ts'
import type { HeaderLine } from '../line.ts'
import { FirstTries } from './first-tries.ts'
import { Fitting, SILENT } from './fitting.ts'
import { attemptCall, type Attempt, type CallFate, type Submit } from './model/caller.ts'
import type { FittedUpstream } from './model/upstream-fit.ts'
import { UpstreamModel } from './model/upstream-model.ts'
import { WeirModel } from './model/weir-model.ts'
import { World } from './model/world.ts'
import { playRuns, type ReplayLines, type RunListener } from './play-runs.ts'
import type { Player, RunReplay } from './run-replay.ts'
import type { Candidate } from './side.ts'

/** A client whose patience is not known abandons an attempt after this. */
const PATIENCE_MS: Millis = 120_000
/** What was begun is played to its end, if it comes within this. */
const TAIL_MS: Millis = 90_000

export interface ClosedLoopOptions {
  readonly policies: Candidate
  readonly against?: Candidate
  readonly seed?: number
}

/** How things went for callers and upstreams, once. */
export interface ClosedLoopSide {
  readonly name: string
  /** What callers wanted, and how often they got it. */
  readonly wanted: number
  readonly answered: number
  readonly criticalWanted: number
  readonly criticalAnswered: number
  /** Attempts that reached an upstream. */
  readonly attempts: number
  readonly attemptsPerCall: number
  readonly held: number
  readonly refused: number
  /** From the first try to the answer. */
  readonly p50Ms: Millis
  readonly p99Ms: Millis
}

export interface ClosedLoopResult {
  readonly mode: 'closed-loop'
  readonly calls: number
  /** Streams and polls that last by nature; no part of the models. */
  readonly leftOut: number
  readonly upstreams: readonly (FittedUpstream & { readonly upstream: string })[]
  /** As the journal has it: to see how far the models are off. */
  readonly recorded: {
    readonly firstTries: number
    readonly attempts: number
    readonly attemptsPerCall: number
  }
  readonly withoutWeir: ClosedLoopSide
  readonly policies: ClosedLoopSide
  readonly against?: ClosedLoopSide
}

/**
 * Reads the journal twice: for the models, and to play it.
 *
 * @throws what `lines` throws; NoRunError
 */
export async function playClosedLoop(
  lines: () => ReplayLines,
  options: ClosedLoopOptions,
): Promise<ClosedLoopResult> {
  const fitting = new Fitting()
  await playRuns(lines(), fitting)
  const playing = new Playing(fitting, options)
  await playRuns(lines(), playing)
  return playing.result()
}

/** Second reading: every first try is begun in every world. */
class Playing implements RunListener {
  readonly #fitting: Fitting
  readonly #options: ClosedLoopOptions
  readonly #sides: readonly LoopSide[]
  #worlds: readonly LoopWorld[] = []

  constructor(fitting: Fitting, options: ClosedLoopOptions) {
    this.#fitting = fitting
    this.#options = options
    const candidates = [options.policies, ...(options.against === undefined ? [] : [options.against])]
    this.#sides = [new LoopSide(undefined), ...candidates.map((candidate) => new LoopSide(candidate))]
  }

  begin(header: HeaderLine, { rows }: RunReplay): { player: Player; users: number } {
    const shapes = this.#fitting.byRun.get(header.run) ?? []
    const seed = header.core?.seed ?? this.#options.seed ?? 1
    this.#worlds = this.#sides.map((side) => side.begin(header, shapes, seed))
    const tries = new FirstTries(rows)
    const player: Player = {
      ...SILENT,
      arrive: (row, at) => {
        const isFirst = tries.arrived(row, at)
        const { arrival } = tries
        if (!isFirst || arrival.longLived || shapes[arrival.upstream] === undefined) return
        const { at: _at, call: _call, ...attempt } = arrival
        for (const world of this.#worlds) world.want(attempt, at)
      },
      end: (row, at) => tries.ended(row, at),
    }
    return { player, users: 0 }
  }

  end(_header: HeaderLine, { facts }: RunReplay): void {
    for (const world of this.#worlds) world.finish(facts.lastAt + TAIL_MS)
    this.#worlds = []
  }

  result(): ClosedLoopResult {
    const { calls, leftOut, named, firstTries, attempts } = this.#fitting
    const [withoutWeir, policies, against] = this.#sides.map((side) => side.result())
    if (withoutWeir === undefined || policies === undefined) throw new TypeError('no policies')
    const recorded = { firstTries, attempts, attemptsPerCall: ratio(attempts, firstTries) }
    return {
      mode: 'closed-loop',
      calls,
      leftOut,
      upstreams: named,
      recorded,
      withoutWeir,
      policies,
      ...(against === undefined ? {} : { against }),
    }
  }
}

/** One way of deciding over all runs; without a candidate, no Weir. */
class LoopSide {
  readonly #candidate: Candidate | undefined
  readonly latencies = new LatencyHistogram()
  wanted = 0
  answered = 0
  criticalWanted = 0
  criticalAnswered = 0
  attempts = 0
  held = 0
  refused = 0

  constructor(candidate: Candidate | undefined) {
    this.#candidate = candidate
  }

  begin(header: HeaderLine, fits: readonly (FittedUpstream | undefined)[], seed: number): LoopWorld {
    const policy = this.#candidate?.compile(header.upstreams).policy
    const world = new World()
    const random = seeded(seed)
    const upstreams = header.upstreams.map(
      (_name, index) =>
        new UpstreamModel(world, fits[index]?.shape ?? NEVER_CALLED, seeded(Math.floor(random() * 2 ** 32))),
    )
    const weir =
      policy === undefined ? undefined : new WeirModel(world, header.upstreams, upstreams, policy, seed)
    return new LoopWorld(this, world, upstreams, weir, seeded(Math.floor(random() * 2 ** 32)))
  }

  result(): ClosedLoopSide {
    const { wanted, answered, criticalWanted, criticalAnswered, attempts, held, refused } = this
    return {
      name: this.#candidate?.name ?? 'without Weir',
      wanted,
      answered,
      criticalWanted,
      criticalAnswered,
      attempts,
      attemptsPerCall: ratio(attempts, wanted),
      held,
      refused,
      p50Ms: Math.round(this.latencies.quantile(0.5)),
      p99Ms: Math.round(this.latencies.quantile(0.99)),
    }
  }
}

class LoopWorld {
  readonly #side: LoopSide
  readonly #world: World
  readonly #upstreams: readonly UpstreamModel[]
  readonly #weir: WeirModel | undefined
  readonly #random: () => number
  readonly #submit: Submit

  constructor(
    side: LoopSide,
    world: World,
    upstreams: readonly UpstreamModel[],
    weir: WeirModel | undefined,
    random: () => number,
  ) {
    this.#side = side
    this.#world = world
    this.#upstreams = upstreams
    this.#weir = weir
    this.#random = random
    this.#submit = weir === undefined ? direct(upstreams) : (arrival, answer) => weir.submit(arrival, answer)
  }

  want(arrival: Attempt, at: Millis): void {
    const side = this.#side
    this.#world.run(at)
    const isCritical = arrival.priority === 'critical'
    side.wanted += 1
    if (isCritical) side.criticalWanted += 1
    const timeoutMs = Math.min(arrival.patienceMs, PATIENCE_MS)
    const fate: CallFate = {
      attempts: 0,
      endedAt: Infinity,
      ok: false,
      onEnd() {
        if (!fate.ok) return
        side.answered += 1
        if (isCritical) side.criticalAnswered += 1
        side.latencies.record(fate.endedAt - at)
      },
    }
    const family = familyOf(arrival.family)
    attemptCall(
      this.#world,
      { arrival: { ...arrival, patienceMs: timeoutMs }, family, timeoutMs },
      fate,
      this.#submit,
      this.#random,
    )
  }

  finish(until: Millis): void {
    this.#world.run(until)
    const side = this.#side
    for (const upstream of this.#upstreams) side.attempts += upstream.arrivals.length
    for (const act of this.#weir?.acts ?? []) {
      if (act.do === 'hold') side.held += 1
      else side.refused += 1
    }
  }
}

const NEVER_CALLED = { servers: 1, serviceMs: 1, sigma: 0, queue: 1, phases: [] }

function direct(upstreams: readonly UpstreamModel[]): Submit {
  return (arrival, answer) => {
    let isGone = false
    upstreams[arrival.upstream]?.call(({ status, retryAfterMs }) => {
      if (!isGone) answer({ status: status === 0 ? 502 : status, retryAfterMs, by: 'upstream' })
    })
    return { abandon: () => (isGone = true) }
  }
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : Math.round((part / whole) * 1000) / 1000
}
