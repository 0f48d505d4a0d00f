/** What Weir did with the calls, and what its rules in shadow mode would have done. */
import type { Millis, Reason, VerdictKind } from '../../core/model.ts'
import { LatencyHistogram } from '../../core/observe/latency-histogram.ts'
import type { CallLine } from '../line.ts'
import { GRID_COLUMNS, type TimeGrid } from './time-grid.ts'
import type { TimeView } from './time-view.ts'
import type { Bands } from './latency-bands.ts'

/** Verdicts x reasons x rules; names of rules come from policies, but a journal may hold anything. */
const MOST_ROWS = 512

export interface ActRow {
  readonly do: VerdictKind
  readonly reason: Reason
  /** Absent = no rule decided. */
  readonly rule?: string
  readonly count: number
}

export interface ActFindings {
  /** Calls that were not simply passed. */
  readonly held: number
  readonly shed: number
  readonly deferred: number
  /** Came back at the slot that they were given. */
  readonly slotsKept: number
  readonly rows: readonly ActRow[]
  readonly series: { readonly held: readonly number[]; readonly refused: readonly number[] }
}

export interface WeirFindings {
  readonly did: ActFindings & {
    /** Held calls that went out in the end. */
    readonly released: number
    readonly expired: number
    readonly leftWhileHeld: number
    readonly holdMs: Bands | null
  }
  readonly shadow: ActFindings
}

export class WeirActs {
  readonly #did: Acts
  readonly #shadow: Acts
  readonly #holds = new LatencyHistogram()
  #released = 0
  #expired = 0
  #left = 0

  constructor(grid: TimeGrid) {
    this.#did = new Acts(grid)
    this.#shadow = new Acts(grid)
  }

  add(line: CallLine, at: Millis): void {
    const { verdict } = line
    this.#did.add(verdict, at)
    if (verdict.shadow !== undefined) this.#shadow.add(verdict.shadow, at)
    if (line.heldMs !== undefined) this.#holds.record(line.heldMs)
    if (verdict.do !== 'hold') return
    if (line.outcome === 'hold-expired') this.#expired += 1
    else if (line.outcome === 'client-gone' && line.sentMs === undefined) this.#left += 1
    else this.#released += 1
  }

  findings(view: TimeView): WeirFindings {
    const holds = this.#holds
    const holdMs =
      holds.total === 0
        ? null
        : { p50: holds.quantile(0.5), p90: holds.quantile(0.9), p99: holds.quantile(0.99) }
    return {
      did: {
        ...this.#did.findings(view),
        released: this.#released,
        expired: this.#expired,
        leftWhileHeld: this.#left,
        holdMs,
      },
      shadow: this.#shadow.findings(view),
    }
  }
}

interface Act {
  readonly do: VerdictKind
  readonly reason: Reason
  readonly rule?: string
}

class Acts {
  readonly #grid: TimeGrid
  readonly #held: Float64Array
  readonly #refused: Float64Array
  readonly #rows = new Map<string, { readonly act: Act; count: number }>()
  /** Most calls are decided like the one before. */
  #last: { readonly act: Act; count: number } | undefined
  readonly #counts: Record<VerdictKind, number> = { pass: 0, hold: 0, defer: 0, shed: 0 }
  #slotsKept = 0

  constructor(grid: TimeGrid) {
    this.#grid = grid
    this.#held = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
    this.#refused = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
  }

  add(act: Act, at: Millis): void {
    this.#counts[act.do] += 1
    if (act.reason === 'slot-kept') this.#slotsKept += 1
    if (act.do === 'pass') return
    const column = this.#grid.at(at)
    if (column >= 0) (act.do === 'hold' ? this.#held : this.#refused)[column]! += 1
    this.#rowOf(act).count += 1
  }

  #rowOf(act: Act): { count: number } {
    const last = this.#last?.act
    if (last !== undefined && last.do === act.do && last.reason === act.reason && last.rule === act.rule) {
      return this.#last!
    }
    const key = `${act.do} ${act.reason} ${act.rule ?? ''}`
    let row = this.#rows.get(key)
    if (row === undefined) {
      row = {
        act: { do: act.do, reason: act.reason, ...(act.rule === undefined ? {} : { rule: act.rule }) },
        count: 0,
      }
      if (this.#rows.size < MOST_ROWS) this.#rows.set(key, row)
    }
    this.#last = row
    return row
  }

  findings(view: TimeView): ActFindings {
    const rows = [...this.#rows.entries()].toSorted(
      ([a, one], [b, other]) => other.count - one.count || (a < b ? -1 : 1),
    )
    return {
      held: this.#counts.hold,
      shed: this.#counts.shed,
      deferred: this.#counts.defer,
      slotsKept: this.#slotsKept,
      rows: rows.map(([, { act, count }]) => ({
        do: act.do,
        reason: act.reason,
        ...(act.rule === undefined ? {} : { rule: act.rule }),
        count,
      })),
      series: { held: view.sums(this.#held), refused: view.sums(this.#refused) },
    }
  }
}
