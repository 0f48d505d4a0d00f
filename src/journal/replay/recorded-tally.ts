/** What was decided when the journal was written, counted as a playback counts its own decisions. */
import type { Millis } from '../../core/model.ts'
import type { EventLine } from '../line.ts'
import type { CallRows } from './call-rows.ts'
import { isFinalReason, isWell, Tally } from './tally.ts'

interface Change {
  readonly at: Millis
  readonly upstream: number
  readonly isWell: boolean
}

/** Changes of condition that wait for their instant; events are rare, and read before what came after them. */
const MOST_CHANGES = 100_000

export class RecordedTally {
  readonly tally: Tally
  readonly #rows: CallRows
  readonly #names: readonly string[]
  readonly #isWell: boolean[]
  #changes: Change[] = []
  #next = 0

  constructor(names: readonly string[], rows: CallRows) {
    this.tally = new Tally(names)
    this.#rows = rows
    this.#names = names
    this.#isWell = names.map(() => true)
  }

  /** A change of condition that was announced; of use for the calls that are played later. */
  event(line: EventLine): void {
    const upstream = this.#names.indexOf(line.upstream)
    if (line.name !== 'condition-changed' || upstream === -1) return
    if (this.#changes.length - this.#next >= MOST_CHANGES) return
    this.#changes.push({ at: line.at, upstream, isWell: isWell(line.to) })
  }

  arrived(row: number, at: Millis): void {
    this.#catchUp(at)
    const rows = this.#rows
    const index = rows.upstream[row]!
    const upstream = this.tally.upstream(index)
    const kind = rows.verdict(row)
    const settled = rows.settled(row)
    const wasSent = rows.sentMs(row) >= 0
    upstream.calls += 1
    if (kind === 'pass') upstream.passed += 1
    if (wasSent) upstream.attempts += 1
    if (settled === 'failure' || settled === 'dropped') upstream.failures += 1
    const isHealthy = this.#isWell[index]!
    const shadow = rows.shadow(row)
    if (shadow !== undefined && shadow.do !== 'pass') {
      this.tally
        .rule(index, shadow.rule, 'shadow')
        .touch(shadow.do, isFinalReason(shadow.reason), rows.isCritical(row), isHealthy)
    }
    if (kind === 'pass') return
    const rule = this.tally.rule(index, rows.rule(row), 'enforce')
    rule.touch(kind, rows.slotMs(row) < 0, rows.isCritical(row), isHealthy)
    if (kind !== 'hold') return
    const ended = rows.isReleased(row) ? 'released' : rows.isExpired(row) ? 'expired' : 'left'
    rule.waited(ended, ended === 'left' ? rows.endMs(row) : rows.holdMs(row))
  }

  #catchUp(at: Millis): void {
    for (;;) {
      const change = this.#changes[this.#next]
      if (change === undefined || change.at > at) break
      this.#isWell[change.upstream] = change.isWell
      this.#next += 1
    }
    if (this.#next < 1024) return
    this.#changes = this.#changes.slice(this.#next)
    this.#next = 0
  }
}
