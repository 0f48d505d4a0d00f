/**
 * One call of a journal and the moment in which it came: the journal is replayed up to it, and a second time into
 * several cores at once, each of which is asked about the call with something else about it. What would have
 * changed the verdict is what the core itself says, not what was reasoned about it.
 */
import type { Arrival, CoreEvent, Millis, Verdict } from '../../core/model.ts'
import type { Policy } from '../../core/policy.ts'
import type { AgentReading, UpstreamReading, WorkflowReading } from '../../core/reading.ts'
import type { HeaderLine } from '../line.ts'
import type { TakenVerdict } from './call-rows.ts'
import { BLANK_ARRIVAL } from './blank-arrival.ts'
import type { Watcher } from './playback.ts'
import { playbackOfRun, playerOf } from './playback-of-run.ts'
import { playRuns, type ReplayLines, type RunListener } from './play-runs.ts'
import type { Player, RunReplay } from './run-replay.ts'
import type { Candidate } from './side.ts'
import type { Ending } from './tally.ts'

/** Names of an agent table; more than one ever holds. */
const EVERY = 1_000_000

export interface CallStory {
  readonly header: HeaderLine
  readonly policy: Policy
  readonly arrival: Arrival
  readonly upstreamName: string
  /** As it was taken then. */
  readonly recorded: TakenVerdict & {
    readonly shadow: TakenVerdict | undefined
    readonly ending: Ending | undefined
    readonly endedMs: Millis
    /** Asked back so long after it came; -1 = not. */
    readonly slotMs: Millis
  }
  /** Under the given policies, at the same moment. */
  readonly verdict: Verdict
  /** What ended its hold here; undefined = it was not held, or the journal ends before. */
  readonly hold: { readonly ending: Ending; readonly ms: Millis } | undefined
  /** Just before it came. */
  readonly upstream: UpstreamReading
  /** Just after: it counts itself, as it does for the rules. */
  readonly agent: AgentReading | undefined
  readonly workflow: WorkflowReading | undefined
  /** The last change of the upstream's condition before it, with the numbers that made it. */
  readonly lastChange: CoreEvent | undefined
  /** Everything that the core was told was there. */
  readonly exact: boolean
}

/** A question to a core of its own. */
export interface Variation {
  /** Reads well after "with" or "as": for people. */
  readonly name: string
  readonly change?: (arrival: Arrival) => void
  /** Calls that are taken away from its upstream first. */
  readonly fewer?: number
  /** Nobody is held for its upstream. */
  readonly alone?: boolean
  /** Another policy from the start of the moment on. */
  readonly policy?: Policy
}

export interface VariationAnswer {
  readonly name: string
  readonly verdict: Verdict
}

type Lines = () => ReplayLines

/** @returns undefined when no call of the journal has this id */
export async function tellCallStory(
  lines: Lines,
  id: string,
  candidate: Candidate,
  seed = 1,
): Promise<CallStory | undefined> {
  const witness = new Witness(id, candidate, seed)
  await playRuns(lines(), witness)
  return witness.story
}

/** The same moment once more, for every variation; in their order. */
export async function askVariations(
  lines: Lines,
  id: string,
  candidate: Candidate,
  variations: readonly Variation[],
  seed = 1,
): Promise<VariationAnswer[]> {
  const asked = new Asking(id, candidate, seed, variations)
  await playRuns(lines(), asked)
  return asked.answers
}

function ticksOf(header: HeaderLine): { ownTicksFrom: Millis } {
  return { ownTicksFrom: header.core === undefined ? -Infinity : Infinity }
}

class Witness implements RunListener {
  story: CallStory | undefined
  isDone = false
  readonly #id: string
  readonly #candidate: Candidate
  readonly #seed: number
  #row = -1

  constructor(id: string, candidate: Candidate, seed: number) {
    this.#id = id
    this.#candidate = candidate
    this.#seed = seed
  }

  begin(header: HeaderLine, run: RunReplay): { player: Player; users: number } {
    const { policy } = this.#candidate.compile(header.upstreams)
    const changes: (CoreEvent | undefined)[] = []
    let verdict: Verdict | undefined
    const watcher: Watcher = {
      decided: (row, decided) => {
        if (run.rows.id[row] === this.#id) verdict = decided
      },
      waited: (row, ending, at) => {
        if (row !== this.#row || this.story === undefined || this.isDone) return
        this.story = { ...this.story, hold: { ending, ms: at - this.story.arrival.at } }
        this.#done(run)
      },
      announced(event) {
        if (event.name === 'condition-changed') changes[event.upstream] = event
      },
    }
    const playback = playbackOfRun(header, run, policy, { ...ticksOf(header), seed: this.#seed, watcher })
    const player = playerOf([playback])
    const arrive = (row: number, at: Millis): void => {
      const { rows } = run
      playback.advance(at)
      if (rows.id[row] !== this.#id || this.story !== undefined) {
        playback.arrive(row, at)
        return
      }
      const arrival = { ...BLANK_ARRIVAL, at }
      rows.fill(row, arrival)
      const { core } = playback
      const upstream = core.read(at).upstreams[arrival.upstream]
      const lastChange = changes[arrival.upstream]
      playback.arrive(row, at)
      if (upstream === undefined || verdict === undefined) return
      this.#row = row
      const ending = rows.isReleased(row) ? 'released' : rows.isExpired(row) ? 'expired' : 'left'
      const wasHeld = rows.verdict(row) === 'hold'
      const workflows = core.workflows(at, EVERY)
      this.story = {
        header,
        policy,
        arrival,
        upstreamName: header.upstreams[arrival.upstream] ?? '',
        recorded: {
          do: rows.verdict(row),
          reason: rows.reason(row),
          rule: rows.rule(row),
          shadow: rows.shadow(row),
          ending: wasHeld ? ending : undefined,
          endedMs: wasHeld && ending !== 'left' ? rows.holdMs(row) : rows.endMs(row),
          slotMs: rows.slotMs(row),
        },
        verdict,
        hold: undefined,
        upstream,
        agent: core.agents(at, EVERY).find(({ agent }) => agent === arrival.agent),
        workflow: workflows.find(({ workflow }) => workflow === arrival.workflow),
        lastChange,
        exact: run.isExact,
      }
      if (verdict.do !== 'hold') this.#done(run)
    }
    return { player: { ...player, arrive }, users: 1 }
  }

  #done(run: RunReplay): void {
    this.isDone = true
    run.stop()
  }

  end(): void {}
}

class Asking implements RunListener {
  readonly answers: VariationAnswer[] = []
  isDone = false
  readonly #id: string
  readonly #candidate: Candidate
  readonly #seed: number
  readonly #variations: readonly Variation[]

  constructor(id: string, candidate: Candidate, seed: number, variations: readonly Variation[]) {
    this.#id = id
    this.#candidate = candidate
    this.#seed = seed
    this.#variations = variations
  }

  begin(header: HeaderLine, run: RunReplay): { player: Player; users: number } {
    const { policy } = this.#candidate.compile(header.upstreams)
    const options = { ...ticksOf(header), seed: this.#seed }
    const playbacks = this.#variations.map(() => playbackOfRun(header, run, policy, options))
    const player = playerOf(playbacks)
    const arrive = (row: number, at: Millis): void => {
      if (run.rows.id[row] !== this.#id) {
        player.arrive(row, at)
        return
      }
      for (const [index, variation] of this.#variations.entries()) {
        const playback = playbacks[index]!
        playback.advance(at)
        const { name, change = () => {}, fewer = 0 } = variation
        if (variation.policy !== undefined) playback.core.adopt(variation.policy, at)
        if (variation.alone === true) playback.clearLine(run.rows.upstream[row]!, at)
        playback.relieve(run.rows.upstream[row]!, fewer, at)
        this.answers.push({ name, verdict: playback.ask(row, at, change) })
      }
      this.isDone = true
      run.stop()
    }
    return { player: { ...player, arrive }, users: playbacks.length }
  }

  end(): void {}
}
