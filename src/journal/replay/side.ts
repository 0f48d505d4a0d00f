/** One set of policies in a replay: its playback of the run at hand, and what it did in all runs. */
import type { Millis } from '../../core/model.ts'
import type { Policy } from '../../core/policy.ts'
import type { HeaderLine } from '../line.ts'
import { Comparison, type Change, type Difference } from './comparison.ts'
import type { Playback } from './playback.ts'
import { playbackOfRun } from './playback-of-run.ts'
import type { RunReplay } from './run-replay.ts'
import { Tally } from './tally.ts'

/** Policies to be replayed; compiled once for each run, as the upstreams may differ. */
export interface Candidate {
  /** As the user named them. */
  readonly name: string
  readonly compile: (upstreams: readonly string[]) => CompiledCandidate
}

export interface CompiledCandidate {
  readonly policy: Policy
  /** As a journal's header has it (`policyDigest`); absent = not known. */
  readonly digest?: string
}

/** Held calls end within the longest hold that a policy may ask for (`policy/schema.ts`: 60 s). */
const TAIL_MS: Millis = 60_000

export class Side {
  readonly name: string
  readonly tally = new Tally([])
  calls = 0
  different = 0
  /** Runs whose policies were, as far as the journal says, others. */
  others = 0
  readonly listed: Difference[] = []
  playback: Playback | undefined
  #comparison: Comparison | undefined
  #changes: readonly Change[] = []
  readonly #candidate: Candidate

  constructor(candidate: Candidate) {
    this.#candidate = candidate
    this.name = candidate.name
  }

  /** @param chart takes the instants of what is held (0) and refused (1) */
  begin(
    header: HeaderLine,
    run: RunReplay,
    options: { readonly verify: boolean; readonly seed: number },
    chart: (series: 0 | 1, at: Millis) => void,
  ): void {
    const { upstreams } = header
    const { policy, digest } = this.#candidate.compile(upstreams)
    const isSame = digest !== undefined && digest === header.policies
    if (!isSame) this.others += 1
    // Told at the recorded instants and at no other, the same policies decide as they did.
    const isRecorded = header.core !== undefined && (options.verify || isSame)
    const comparison = new Comparison(run.rows, policy, upstreams, (at) => {
      if (!options.verify && this.playback !== undefined) this.playback.ownTicksFrom = at
    })
    this.#comparison = comparison
    this.playback = playbackOfRun(header, run, policy, {
      seed: options.seed,
      watcher: {
        decided(row, verdict, at) {
          comparison.decided(row, verdict, at)
          if (verdict.do === 'hold') chart(0, at)
          else if (verdict.do !== 'pass') chart(1, at)
        },
        waited: (row, ending, at) => comparison.waited(row, ending, at),
      },
      ownTicksFrom: isRecorded ? Infinity : -Infinity,
    })
  }

  end(at: Millis): void {
    const { playback } = this
    const comparison = this.#comparison
    if (playback === undefined || comparison === undefined) return
    playback.finish(at + TAIL_MS)
    this.tally.add(playback.tally)
    this.calls += comparison.calls
    this.different += comparison.different
    this.listed.push(...comparison.listed.slice(0, Math.max(0, 10 - this.listed.length)))
    this.#changes = added(this.#changes, comparison.changes)
    this.playback = undefined
    this.#comparison = undefined
  }

  get changes(): readonly Change[] {
    return this.#changes
  }
}

function added(one: readonly Change[], other: readonly Change[]): Change[] {
  const sums = new Map(one.map((change) => [`${change.from} ${change.to}`, change]))
  for (const change of other) {
    const key = `${change.from} ${change.to}`
    sums.set(key, { ...change, calls: change.calls + (sums.get(key)?.calls ?? 0) })
  }
  return [...sums.values()]
}
