/** Which results are right under what was broken at the time; everything else is a violation. */
import type { CallResult, Ending } from '../kit/faults/checked-caller.ts'
import { ENDINGS } from '../kit/faults/checked-caller.ts'
import { GAP_BOUND_MS, HEAD_BOUND_MS, type WorldUpstream } from '../kit/faults/weir-world.ts'
import type { Windows } from './windows.ts'

/** Under these an answer may visibly break off. */
const MAY_CUT: ReadonlySet<string> = new Set(['wire', 'reset-all', 'door-shut', 'restart', 'stall'])
/** Only a Weir that is not there may leave a call without an answer. */
const MAY_REFUSE: ReadonlySet<string> = new Set(['restart'])
/** An SDK tells of a stream only when it is over: five events, and what they may wait. */
const LATE_BODY_MS = 6 * GAP_BOUND_MS
const MOST_NOTES = 50

export class Judge {
  readonly endings: Record<Ending, number>
  readonly reasons = new Map<string, number>()
  readonly violations: string[] = []
  violationCount = 0
  /** Answers that are not the call's own, or that broke off and nobody was to blame. */
  wronglyAnswered = 0
  /** Calls without any answer, of which nobody but Weir can be to blame. */
  lost = 0
  longestHeadMs = 0
  longestGapMs = 0
  overBoundMs = 0
  readonly #windows: Windows
  readonly #upstreams: ReadonlyMap<string, WorldUpstream>

  constructor(windows: Windows, upstreams: readonly WorldUpstream[]) {
    this.#windows = windows
    this.#upstreams = new Map(upstreams.map((upstream) => [upstream.name, upstream]))
    this.endings = Object.fromEntries(ENDINGS.map((ending) => [ending, 0])) as Record<Ending, number>
  }

  get calls(): number {
    return ENDINGS.reduce((sum, ending) => sum + this.endings[ending], 0)
  }

  violation(text: string): void {
    this.violationCount += 1
    if (this.violations.length < MOST_NOTES) this.violations.push(text)
  }

  take(result: CallResult, upstream: string): void {
    this.endings[result.ending] += 1
    if (result.reason !== '') this.reasons.set(result.reason, (this.reasons.get(result.reason) ?? 0) + 1)
    const fault = this.#faultOf(result, upstream)
    if (fault !== '') {
      if (result.ending === 'wrong' || result.ending === 'cut') this.wronglyAnswered += 1
      else this.lost += 1
      this.violation(`${result.id} to ${upstream}: ${fault} (status ${result.status}, ${result.note})`)
    }
    if (result.ending === 'left') return
    const { startedAt, endedAt } = result
    const awayMs =
      this.#windows.overlapMs('stall', startedAt, endedAt) +
      this.#windows.overlapMs('restart', startedAt, endedAt)
    const headBound = HEAD_BOUND_MS + awayMs + (result.isSdk ? LATE_BODY_MS : 0)
    this.longestHeadMs = Math.max(this.longestHeadMs, result.headMs - awayMs)
    this.longestGapMs = Math.max(this.longestGapMs, result.gapMs - awayMs)
    const over = Math.max(0, result.headMs - headBound, result.gapMs - GAP_BOUND_MS - awayMs)
    this.overBoundMs = Math.max(this.overBoundMs, over)
    if (over > 0) {
      const waited = `${Math.round(result.headMs)} ms for its head, ${Math.round(result.gapMs)} ms in its body`
      this.violation(`${result.id} to ${upstream}: waited ${waited}, ${Math.round(over)} ms over its bound`)
    }
  }

  /** '' = right. */
  #faultOf({ id, ending, startedAt, endedAt }: CallResult, upstream: string): string {
    if (ending === 'wrong') return 'a wrong answer'
    if (ending === 'lost') return 'no answer at all'
    const touched = (faults: ReadonlySet<string>): boolean =>
      this.#windows.touched(faults, upstream, startedAt, endedAt)
    if (ending === 'refused') return touched(MAY_REFUSE) ? '' : 'cut before an answer began'
    if (ending !== 'cut') return ''
    const fate = this.#upstreams.get(upstream)?.echo.ledger.get(id)?.fate
    const isTheirs = fate === 'cut' || fate === 'short' || touched(MAY_CUT)
    return isTheirs ? '' : 'an answer broken off by nobody'
  }
}
