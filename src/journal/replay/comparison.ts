/** Holds the decisions of a playback against those of the journal, call for call, instants included. */
import { VERDICTS, type Millis, type Verdict, type VerdictKind } from '../../core/model.ts'
import type { Policy } from '../../core/policy.ts'
import { instantAfter } from '../instant.ts'
import type { CallRows } from './call-rows.ts'
import type { Watcher } from './playback.ts'
import type { Ending } from './tally.ts'

/** A slot is written to the microsecond, the core's own is not rounded. */
const SLOT_GRAIN_MS: Millis = 0.001
const MOST_LISTED = 10

/** One call that was decided otherwise. */
export interface Difference {
  readonly id: string
  /** ms since the start of the journal. */
  readonly at: Millis
  readonly agent: string
  readonly upstream: string
  readonly recorded: string
  readonly replayed: string
}

/** How many calls went from one decision to another. */
export interface Change {
  readonly from: VerdictKind
  readonly to: VerdictKind
  readonly calls: number
}

export class Comparison implements Watcher {
  /** The first ones, in order. */
  readonly listed: Difference[] = []
  calls = 0
  different = 0
  readonly #rows: CallRows
  readonly #policy: Policy
  readonly #upstreams: readonly string[]
  readonly #onFirst: (at: Millis) => void
  readonly #counts = new Uint32Array(VERDICTS.length ** 2)
  /** Held here and in the journal, for the same reason: it is the end of the hold that decides. */
  readonly #waiting = new Set<number>()

  /** @param onFirst at the first difference */
  constructor(
    rows: CallRows,
    policy: Policy,
    upstreams: readonly string[],
    onFirst: (at: Millis) => void = () => {},
  ) {
    this.#rows = rows
    this.#policy = policy
    this.#upstreams = upstreams
    this.#onFirst = onFirst
  }

  get changes(): readonly Change[] {
    return VERDICTS.flatMap((from, a) =>
      VERDICTS.map((to, b) => ({ from, to, calls: this.#counts[a * VERDICTS.length + b]! })),
    ).filter(({ calls }) => calls > 0)
  }

  decided(row: number, verdict: Verdict, at: Millis): void {
    const rows = this.#rows
    this.calls += 1
    const kind = rows.verdict(row)
    this.#counts[VERDICTS.indexOf(kind) * VERDICTS.length + VERDICTS.indexOf(verdict.do)]! += 1
    if (this.#isSame(row, verdict, at)) {
      if (verdict.do === 'hold') this.#waiting.add(row)
      return
    }
    this.#differs(row, at, this.#recorded(row), this.#told(verdict, at))
  }

  waited(row: number, ending: Ending, at: Millis): void {
    if (!this.#waiting.delete(row)) return
    const rows = this.#rows
    const was = rows.isReleased(row) ? 'released' : rows.isExpired(row) ? 'expired' : 'left'
    const arrivedAt = rows.at(row)
    const sameInstant = ending === 'left' || at === instantAfter(arrivedAt, rows.holdMs(row))
    if (was === ending && sameInstant) return
    const replayed = `held ${ms(at - arrivedAt)}, ${ending}`
    const heldMs = was === 'left' ? rows.endMs(row) : rows.holdMs(row)
    this.#differs(row, at, `held ${ms(heldMs)}, ${was}`, replayed)
  }

  #isSame(row: number, verdict: Verdict, at: Millis): boolean {
    const rows = this.#rows
    if (verdict.do !== rows.verdict(row) || verdict.reason !== rows.reason(row)) return false
    if (this.#ruleOf(verdict) !== rows.rule(row)) return false
    if (verdict.slotAt > 0 && rows.slotMs(row) >= 0) {
      if (Math.abs(verdict.slotAt - at - rows.slotMs(row)) > SLOT_GRAIN_MS) return false
    }
    const was = rows.shadow(row)
    const { shadow } = verdict
    if (shadow === undefined || was === undefined) return shadow === was
    return shadow.do === was.do && shadow.reason === was.reason && this.#ruleOf(shadow) === was.rule
  }

  #differs(row: number, at: Millis, recorded: string, replayed: string): void {
    const rows = this.#rows
    if (this.different === 0) this.#onFirst(at)
    this.different += 1
    if (this.listed.length >= MOST_LISTED) return
    const upstream = this.#upstreams[rows.upstream[row]!] ?? ''
    this.listed.push({
      id: rows.id[row]!,
      at: rows.at(row),
      agent: rows.agent(row),
      upstream,
      recorded,
      replayed,
    })
  }

  #recorded(row: number): string {
    const rows = this.#rows
    const shadow = rows.shadow(row)
    const slotMs = rows.verdict(row) === 'pass' ? -1 : rows.slotMs(row)
    const own = described(rows.verdict(row), rows.reason(row), rows.rule(row), slotMs)
    return shadow === undefined
      ? own
      : `${own}; shadow: ${described(shadow.do, shadow.reason, shadow.rule, -1)}`
  }

  #told(verdict: Verdict, at: Millis): string {
    const slotMs = verdict.slotAt > 0 ? verdict.slotAt - at : -1
    const own = described(verdict.do, verdict.reason, this.#ruleOf(verdict), slotMs)
    const { shadow } = verdict
    return shadow === undefined
      ? own
      : `${own}; shadow: ${described(shadow.do, shadow.reason, this.#ruleOf(shadow), -1)}`
  }

  #ruleOf(verdict: Verdict): string {
    return verdict.rule < 0 ? '' : (this.#policy.rules[verdict.rule]?.id ?? '')
  }
}

function described(kind: VerdictKind, reason: string, rule: string, slotMs: Millis): string {
  const by = rule === '' ? '' : ` by ${rule}`
  return `${kind} (${reason}${by}${slotMs < 0 ? '' : `, slot in ${ms(slotMs)}`})`
}

function ms(value: Millis): string {
  return `${Math.round(value * 1000) / 1000} ms`
}
