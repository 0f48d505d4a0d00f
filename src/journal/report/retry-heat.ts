/**
 * Correlated retries at one upstream: who retried when. One agent that retries is its own affair; many that retry in
 * the same seconds are a storm, and stand in the same columns of this map.
 */
import type { Millis } from '../../core/model.ts'
import { BoundedTable, type Ranked } from './bounded-table.ts'
import { hashOf, markName, namesIn } from './distinct.ts'
import { GRID_COLUMNS, type TimeGrid } from './time-grid.ts'
import type { TimeView } from './time-view.ts'

/** Rows that are kept while reading (3 kB each, twice as many at times), and rows that are shown. */
const KEPT_AGENTS = 96
const SHOWN_AGENTS = 24
/** Of a bitmap per column: 2,048 bits, good for some thousand agents. */
const WORDS = 64

export interface HeatRow {
  readonly agent: string
  readonly retries: number
  readonly cells: readonly number[]
}

export interface HeatFindings {
  readonly retries: number
  /** The agents with the most retries. */
  readonly rows: readonly HeatRow[]
  /** All others, as one row. */
  readonly others: { readonly retries: number; readonly cells: readonly number[] }
  /** Distinct agents that retried, by column and in all. */
  readonly distinct: readonly number[]
  readonly agents: number
}

interface Flow extends Ranked {
  retries: number
  readonly cells: Float32Array
}

export class RetryHeat {
  readonly #grid: TimeGrid
  readonly #all: Float64Array
  readonly #distinct: Uint32Array
  readonly #flows: BoundedTable<Flow>
  #retries = 0

  constructor(grid: TimeGrid) {
    this.#grid = grid
    this.#all = grid.track(new Float64Array(GRID_COLUMNS), 'sum')
    this.#distinct = grid.track(new Uint32Array(GRID_COLUMNS * WORDS), 'or', WORDS)
    this.#flows = new BoundedTable<Flow>(
      KEPT_AGENTS,
      () => ({ rank: 0, retries: 0, cells: grid.track(new Float32Array(GRID_COLUMNS), 'sum') }),
      (flow) => grid.release(flow.cells),
    )
  }

  /** @param at of its arrival, ms since the epoch; @param confidence that it is a retry, above 0 */
  add(agent: string, at: Millis, confidence: number): void {
    const column = this.#grid.at(at)
    if (column < 0) return
    const flow = this.#flows.row(agent)
    flow.rank += confidence
    flow.retries += confidence
    flow.cells[column]! += confidence
    this.#all[column]! += confidence
    this.#retries += confidence
    markName(this.#distinct, column * WORDS, WORDS, hashOf(agent))
  }

  findings(view: TimeView): HeatFindings {
    const rows = [...this.#flows.entries()]
      .toSorted(([a, one], [b, other]) => other.retries - one.retries || (a < b ? -1 : 1))
      .slice(0, SHOWN_AGENTS)
      .map(([agent, flow]) => ({ agent, retries: flow.retries, cells: view.sums(flow.cells) }))
    const others = view.sums(this.#all)
    let left = this.#retries
    for (const row of rows) {
      left -= row.retries
      for (const [column, count] of row.cells.entries()) others[column]! -= count
    }
    const { byColumn, all } = this.#countDistinct(view)
    return {
      retries: this.#retries,
      rows,
      others: { retries: Math.max(0, left), cells: others.map((count) => Math.max(0, count)) },
      distinct: byColumn,
      agents: this.#flows.left === 0 ? this.#flows.size : all,
    }
  }

  #countDistinct(view: TimeView): { byColumn: number[]; all: number } {
    const merged = Array.from({ length: view.columns }, () => new Uint32Array(WORDS))
    const all = new Uint32Array(WORDS)
    for (let cell = 0; cell < this.#distinct.length; cell++) {
      const word = this.#distinct[cell]!
      if (word === 0) continue
      merged[view.of(Math.floor(cell / WORDS))]![cell % WORDS]! |= word
      all[cell % WORDS]! |= word
    }
    return { byColumn: merged.map(namesIn), all: namesIn(all) }
  }
}
