/** The agents that called most, and what it came to. */
import type { Millis } from '../../core/model.ts'
import type { CallLine } from '../line.ts'
import { BoundedTable, type Ranked } from './bounded-table.ts'
import { FOR_NOTHING, fateOf, wasSent } from './call-fate.ts'
import { hashOf, markName, namesIn } from './distinct.ts'

const KEPT_AGENTS = 2048
const SHOWN_BY_CALLS = 15
const SHOWN_BY_RETRIES = 10
/** 2^20 bits: within 1 % up to some million agents. */
const WORDS = 32_768

export interface CallerFindings {
  readonly agent: string
  readonly calls: number
  readonly retries: number
  readonly answered: number
  readonly forNothing: number
  readonly sentForNothing: number
  readonly heldMs: Millis
  /** Added up over its calls. */
  readonly ms: Millis
}

export interface CallersFindings {
  /** Distinct agents. */
  readonly agents: number
  /** Most calls first; those with the most retries are among them. */
  readonly top: readonly CallerFindings[]
  readonly others: Omit<CallerFindings, 'agent'> & { readonly agents: number }
}

interface Row extends Ranked {
  calls: number
  retries: number
  answered: number
  forNothing: number
  sentForNothing: number
  heldMs: Millis
  ms: Millis
}

const COUNTS = ['calls', 'retries', 'answered', 'forNothing', 'sentForNothing', 'heldMs', 'ms'] as const

export class Callers {
  readonly #seen = new Uint32Array(WORDS)
  readonly #gone: Row = emptyRow()
  readonly #rows = new BoundedTable<Row>(
    KEPT_AGENTS,
    (agent) => {
      markName(this.#seen, 0, WORDS, hashOf(agent))
      return emptyRow()
    },
    (row) => addTo(this.#gone, row),
  )

  add(line: CallLine, retry: number): void {
    const row = this.#rows.row(line.agent)
    row.rank += 1
    row.calls += 1
    row.retries += retry
    row.heldMs += line.heldMs ?? 0
    row.ms += line.endMs
    if (line.longLived === true) return
    const fate = fateOf(line)
    if (fate === 'answered') row.answered += 1
    if (!FOR_NOTHING.has(fate)) return
    row.forNothing += 1
    if (wasSent(line)) row.sentForNothing += 1
  }

  findings(): CallersFindings {
    const agents = this.#rows.left === 0 ? this.#rows.size : Math.max(this.#rows.size, namesIn(this.#seen))
    const rows = [...this.#rows.entries()]
    const byRetries = rows
      .filter(([, row]) => row.retries > 0)
      .toSorted(([a, one], [b, other]) => other.retries - one.retries || (a < b ? -1 : 1))
      .slice(0, SHOWN_BY_RETRIES)
    const byCalls = rows.toSorted(([a, one], [b, other]) => other.calls - one.calls || (a < b ? -1 : 1))
    const shown = new Set([...byCalls.slice(0, SHOWN_BY_CALLS), ...byRetries].map(([agent]) => agent))
    const others = emptyRow()
    addTo(others, this.#gone)
    for (const [agent, row] of rows) if (!shown.has(agent)) addTo(others, row)
    const { rank: _, ...counts } = others
    return {
      agents,
      top: byCalls
        .filter(([agent]) => shown.has(agent))
        .map(([agent, { rank: _rank, ...row }]) => ({ agent, ...row })),
      others: { agents: Math.max(0, agents - shown.size), ...counts },
    }
  }
}

function emptyRow(): Row {
  return { rank: 0, calls: 0, retries: 0, answered: 0, forNothing: 0, sentForNothing: 0, heldMs: 0, ms: 0 }
}

function addTo(sum: Row, row: Row): void {
  for (const count of COUNTS) sum[count] += row[count]
}
