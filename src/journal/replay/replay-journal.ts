/** A journal through the core under one or two other sets of policies, in virtual time: an open loop. */
import type { Millis } from '../../core/model.ts'
import type { HeaderLine } from '../line.ts'
import type { Change, Difference } from './comparison.ts'
import { RecordedTally } from './recorded-tally.ts'
import { playerOf } from './playback-of-run.ts'
import { playRuns, type ReplayLines, type RunListener } from './play-runs.ts'
import type { Player, RunLimits, RunReplay } from './run-replay.ts'
import { Side, type Candidate } from './side.ts'
import { ruleResult, type RuleResult } from './rule-result.ts'
import { Tally, type UpstreamTally } from './tally.ts'
import { Timeline } from './timeline.ts'

export type { Candidate } from './side.ts'

export interface ReplayOptions {
  readonly policies: Candidate
  /** Another set, to be compared with the first instead of what was recorded. */
  readonly against?: Candidate
  /** Nothing but the recorded instants: the same policies then decide the same, call for call. */
  readonly verify?: boolean
  /** For journals that do not name theirs, such as imported ones. */
  readonly seed?: number
  readonly limits?: RunLimits
}

export interface SideResult {
  /** `the journal` or the policies as they were named. */
  readonly name: string
  readonly upstreams: readonly UpstreamTally[]
  readonly rules: readonly RuleResult[]
  /** What the rules that act did at each upstream, taken together. */
  readonly totals: readonly RuleResult[]
}

export interface ReplayedJournal {
  readonly runs: number
  readonly calls: number
  /** RFC 3339 instant of the first call of the first run. */
  readonly from: string
  readonly durationMs: Millis
  readonly sources: readonly string[]
  readonly imported: boolean
  /** Nothing is missing: under the policies of then the verdicts of then are to be expected. */
  readonly exact: boolean
  readonly dropped: number
  readonly late: number
  readonly missing: number
  /** Where the first of them is missed, ms since the start of its run; -1 = none is. */
  readonly missingFromMs: Millis
  readonly unknown: number
  /** Another policy was adopted within the journal. */
  readonly adoptions: number
  readonly windowCalls: number
  readonly windowNumbers: number
  readonly hashedIds: boolean
  readonly hasPaths: boolean
}

export interface SideChanges {
  readonly same: number
  readonly different: number
  /** Runs of the journal that had other policies than these, or do not say which. */
  readonly otherRuns: number
  readonly first: readonly Difference[]
  readonly changes: readonly Change[]
}

export interface ReplayResult {
  readonly mode: 'open-loop'
  readonly journal: ReplayedJournal
  readonly recorded: SideResult
  readonly policies: SideResult & SideChanges
  readonly against?: SideResult & SideChanges
  /** Columns over time: calls, and of them held and refused: then, under the policies, under the others. */
  readonly timeline: {
    readonly columnMs: Millis
    readonly calls: readonly number[]
    readonly recorded: TimelineCounts
    readonly policies: TimelineCounts
    readonly against?: TimelineCounts
  }
}

export interface TimelineCounts {
  readonly held: readonly number[]
  readonly refused: readonly number[]
}

const CALLS = 0
const RECORDED = 1
const POLICIES = 3
const AGAINST = 5

/** @throws what the lines' source throws; NoRunError when there is no header among the lines */
export async function replayJournal(lines: ReplayLines, options: ReplayOptions): Promise<ReplayResult> {
  const replay = new JournalReplay(options)
  await playRuns(lines, replay, options.limits)
  return replay.result()
}

class JournalReplay implements RunListener {
  readonly #options: ReplayOptions
  readonly #sides: readonly Side[]
  readonly #recorded = new Tally([])
  readonly #timeline = new Timeline(7)
  readonly #sources = new Set<string>()
  #recordedRun: RecordedTally | undefined
  #runs = 0
  #startedAt: Millis = 0
  #zero: Millis = -Infinity
  #coveredTo: Millis = -Infinity
  #from = ''
  #adoptions = 0
  #imported = false
  #exact = true
  #hashedIds = false
  #hasPaths = false
  readonly #facts = {
    calls: 0,
    dropped: 0,
    late: 0,
    missing: 0,
    unknown: 0,
    windowCalls: 0,
    windowNumbers: 0,
    durationMs: 0,
    missingFromMs: -1,
  }

  constructor(options: ReplayOptions) {
    this.#options = options
    this.#sides = [options.policies, ...(options.against === undefined ? [] : [options.against])].map(
      (candidate) => new Side(candidate),
    )
  }

  result(): ReplayResult {
    const [policies, against] = this.#sides
    if (policies === undefined) throw new TypeError('no policies')
    const columns = (first: number): TimelineCounts => ({
      held: this.#timeline.counts(first),
      refused: this.#timeline.counts(first + 1),
    })
    return {
      mode: 'open-loop',
      journal: {
        runs: this.#runs,
        from: this.#from,
        sources: [...this.#sources],
        imported: this.#imported,
        exact: this.#exact,
        adoptions: this.#adoptions,
        hashedIds: this.#hashedIds,
        hasPaths: this.#hasPaths,
        ...this.#facts,
      },
      recorded: sideResult('the journal', this.#recorded),
      policies: { ...sideResult(policies.name, policies.tally), ...changesOf(policies) },
      ...(against === undefined
        ? {}
        : { against: { ...sideResult(against.name, against.tally), ...changesOf(against) } }),
      timeline: {
        columnMs: this.#timeline.widthMs,
        calls: this.#timeline.counts(CALLS),
        recorded: columns(RECORDED),
        policies: columns(POLICIES),
        ...(against === undefined ? {} : { against: columns(AGAINST) }),
      },
    }
  }

  begin(header: HeaderLine, run: RunReplay): ReturnType<RunListener['begin']> {
    this.#startedAt = Date.parse(header.startedAt)
    this.#runs += 1
    this.#sources.add(header.source)
    if (header.core === undefined) this.#imported = true
    if (header.hashedIds) this.#hashedIds = true
    const { verify = false, seed = 1 } = this.#options
    const recorded = new RecordedTally(header.upstreams, run.rows)
    for (const [index, side] of this.#sides.entries()) {
      const first = index === 0 ? POLICIES : AGAINST
      side.begin(header, run, { verify, seed }, (series, at) => this.#chart(first + series, at))
    }
    this.#recordedRun = recorded
    return { player: this.#player(header, run, recorded), users: this.#sides.length }
  }

  /** Runs follow each other on one axis, as they did, or lie side by side, as those of workers. */
  #chart(series: number, at: Millis): void {
    const epoch = this.#startedAt + at
    if (this.#zero === -Infinity) this.#zero = epoch
    // Another worker's first call may have been a moment before the first one's.
    this.#timeline.add(series, Math.max(0, epoch - this.#zero))
  }

  end(header: HeaderLine, run: RunReplay): void {
    const { facts } = run
    const sums = this.#facts
    if (this.#from === '' && facts.firstAt !== Infinity) {
      this.#from = new Date(Date.parse(header.startedAt) + facts.firstAt).toISOString()
    }
    for (const key of ['calls', 'dropped', 'late', 'missing', 'unknown'] as const) sums[key] += facts[key]
    if (facts.firstAt !== Infinity) sums.durationMs += this.#newlyCovered(facts.firstAt, facts.lastAt)
    sums.windowCalls = Math.max(sums.windowCalls, facts.windowCalls)
    sums.windowNumbers = Math.max(sums.windowNumbers, facts.windowNumbers)
    this.#exact &&= run.isExact
    if (sums.missingFromMs < 0 && facts.missingFrom !== Infinity) sums.missingFromMs = facts.missingFrom
    this.#hasPaths ||= run.rows.hasPaths
    if (this.#recordedRun !== undefined) this.#recorded.add(this.#recordedRun.tally)
  }

  /** Of a run, the time that no run before it has covered: those of workers cover the same. */
  #newlyCovered(firstAt: Millis, lastAt: Millis): Millis {
    const from = Math.max(this.#startedAt + firstAt, this.#coveredTo)
    this.#coveredTo = Math.max(this.#coveredTo, this.#startedAt + lastAt)
    return Math.max(0, this.#coveredTo - from)
  }

  #player(header: HeaderLine, run: RunReplay, recorded: RecordedTally): Player {
    const sides = this.#sides
    const playbacks = sides.flatMap(({ playback }) => (playback === undefined ? [] : [playback]))
    const { rows } = run
    const player = playerOf(playbacks)
    return {
      ...player,
      arrive: (row, at) => {
        recorded.arrived(row, at)
        this.#chart(CALLS, at)
        const kind = rows.verdict(row)
        if (kind === 'hold') this.#chart(RECORDED, at)
        else if (kind !== 'pass') this.#chart(RECORDED + 1, at)
        player.arrive(row, at)
      },
      input: (line) => {
        if (line.input === 'adopt' && line.value !== header.policies) this.#adoptions += 1
        player.input(line)
      },
      event: (line) => recorded.event(line),
      finish(at) {
        for (const side of sides) side.end(at)
      },
    }
  }
}

function sideResult(name: string, tally: Tally): SideResult {
  return {
    name,
    upstreams: tally.upstreams,
    rules: tally.rules.map(ruleResult),
    totals: tally.totals.map(ruleResult),
  }
}

function changesOf(side: Side): SideChanges {
  return {
    same: side.calls - side.different,
    different: side.different,
    otherRuns: side.others,
    first: side.listed,
    changes: side.changes,
  }
}
