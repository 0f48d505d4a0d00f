/** What an upstream was seen as, over time, and the events of coordination that marked it. */
import { CONDITIONS, type Condition, type EventName, type Millis } from '../../core/model.ts'
import type { EventLine } from '../line.ts'
import type { Range } from './range.ts'
import { GRID_COLUMNS, type TimeGrid } from './time-grid.ts'

/** Told one by one; past them every second one is let go, again and again, and all are counted. */
const MOST_MARKS = 300
/** By these a report finds out where it began: they are not crowded out by the others. */
const FIRST_SIGNS: ReadonlySet<EventName> = new Set(['drift-started', 'storm-started'])
/** Not worth a mark: too frequent, and the numbers say it too. */
const UNMARKED: ReadonlySet<EventName> = new Set(['condition-changed', 'limit-changed', 'quota-learned'])

export interface Stretch {
  readonly condition: Condition
  /** ms since the epoch. */
  readonly fromMs: Millis
  readonly toMs: Millis
}

export interface EventMark {
  readonly name: EventName
  /** ms since the epoch. */
  readonly atMs: Millis
  readonly readings: Readonly<Record<string, number | null>>
  readonly agent?: string
  readonly workflow?: string
  /** storm-started: the upstream where it began. */
  readonly root?: string
}

export interface ConditionFindings {
  /** At the resolution of the grid; gaps are times of which nothing is known. */
  readonly stretches: readonly Stretch[]
  readonly marks: readonly EventMark[]
  readonly events: Readonly<Partial<Record<EventName, number>>>
}

/** Events of one upstream, in the order of time within a run. */
export class Conditions {
  readonly #grid: TimeGrid
  /** Severity + 1 by column, the worst that was seen in it; 0 = nothing is known. */
  readonly #worst: Uint8Array
  readonly #signs = new ThinnedMarks()
  readonly #marks = new ThinnedMarks()
  readonly #events = new Map<EventName, number>()
  #condition: Condition | undefined
  #since: Millis = 0

  readonly #range: Range

  constructor(grid: TimeGrid, range: Range) {
    this.#grid = grid
    this.#range = range
    this.#worst = grid.track(new Uint8Array(GRID_COLUMNS), 'max')
  }

  /** A run begins: the core takes an upstream for healthy until it sees otherwise. */
  begin(at: Millis): void {
    this.#condition = 'healthy'
    this.#since = Math.max(at, this.#range.fromMs)
  }

  /** @param root of a storm, where it is known */
  event(line: EventLine, at: Millis, root: string | undefined): void {
    if (line.name === 'condition-changed') this.#change(line, at)
    if (at < this.#range.fromMs || at > this.#range.toMs) return
    this.#events.set(line.name, (this.#events.get(line.name) ?? 0) + 1)
    if (UNMARKED.has(line.name)) return
    const marks = FIRST_SIGNS.has(line.name) ? this.#signs : this.#marks
    marks.add({
      name: line.name,
      atMs: at,
      readings: line.readings,
      ...(line.agent === undefined ? {} : { agent: line.agent }),
      ...(line.workflow === undefined ? {} : { workflow: line.workflow }),
      ...(root === undefined ? {} : { root }),
    })
  }

  /** The run, or what the report is about, ends here. */
  end(at: Millis): void {
    this.#fill(at)
    this.#condition = undefined
  }

  findings(): ConditionFindings {
    const grid = this.#grid
    const stretches: Stretch[] = []
    for (let column = 0; column < grid.columns; column++) {
      const condition = CONDITIONS[this.#worst[column]! - 1]
      if (condition === undefined) continue
      const fromMs = grid.startOf(column)
      const last = stretches.at(-1)
      const toMs = fromMs + grid.widthMs
      if (last?.condition === condition && last.toMs === fromMs)
        stretches[stretches.length - 1] = { ...last, toMs }
      else stretches.push({ condition, fromMs, toMs })
    }
    const marks = [...this.#signs.list, ...this.#marks.list].toSorted((a, b) => a.atMs - b.atMs)
    return { stretches, marks, events: Object.fromEntries(this.#events) }
  }

  #change(line: EventLine, at: Millis): void {
    this.#fill(at)
    this.#condition = CONDITIONS.find((condition) => condition === line.to)
    this.#since = Math.max(at, this.#range.fromMs)
  }

  #fill(end: Millis): void {
    const until = Math.min(end, this.#range.toMs)
    if (this.#condition === undefined || until < this.#since) return
    const severity = CONDITIONS.indexOf(this.#condition) + 1
    this.#grid.at(this.#since)
    const last = this.#grid.at(until)
    const first = this.#grid.at(this.#since)
    if (first < 0) return
    for (let column = first; column <= last; column++) {
      this.#worst[column] = Math.max(this.#worst[column]!, severity)
    }
  }
}

class ThinnedMarks {
  list: EventMark[] = []
  #every = 1
  #seen = 0

  add(mark: EventMark): void {
    if (this.#seen++ % this.#every !== 0) return
    this.list.push(mark)
    if (this.list.length <= MOST_MARKS) return
    this.list = this.list.filter((_, index) => index % 2 === 0)
    this.#every *= 2
  }
}
