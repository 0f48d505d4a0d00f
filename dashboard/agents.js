/** The table of agents: those who retry most, then those who call most. */
import { conditionMark, showCondition } from './conditions.js'
import { setText } from './dom.js'
import { count, decimal } from './format.js'
import { figure, liveTable } from './tables.js'

/** @typedef {import('../src/admin/live-frame.ts').LiveAgent} LiveAgent */

/** Rows that fit beside the heat map. */
const MOST = 12

/** @type {import('./tables.js').Column<LiveAgent>[]} */
const COLUMNS = [
  { label: 'Agent', kind: 'text', isHead: true, show: (cell, { agent }) => setText(cell, agent) },
  {
    label: 'Condition',
    kind: 'text',
    build: (cell) => cell.append(conditionMark()),
    show(cell, { condition }) {
      const [mark] = cell.children
      if (mark !== undefined) showCondition(mark, condition)
    },
  },
  figure(
    'Retries/s',
    (row) => decimal(row.retriesPerSecond),
    'in the last second; an uncertain retry counts in part',
  ),
  figure('Calls/s', (row) => decimal(row.callsPerSecond)),
  figure('Calls', (row) => count(row.calls)),
  figure('Retries', (row) => count(row.retries)),
  figure('Failed', (row) => count(row.failures)),
  figure('In flight', (row) => count(row.inFlight)),
  figure('Held', (row) => count(row.held)),
]

/** Frames between two sortings: rows that change places every second cannot be read. */
const SORT_EVERY = 5

/** @returns {(rows: readonly LiveAgent[]) => void} */
export function agentTable() {
  const show = liveTable('agents-table', COLUMNS, (row) => row.agent)
  /** @type {string[]} */
  let order = []
  let frames = 0
  return (rows) => {
    const byName = new Map(rows.map((row) => [row.agent, row]))
    const isWhole = order.every((agent) => byName.has(agent)) && order.length === Math.min(MOST, rows.length)
    if (frames % SORT_EVERY === 0 || !isWhole) order = rows.slice(0, MOST).map(({ agent }) => agent)
    frames += 1
    show(order.flatMap((agent) => byName.get(agent) ?? []))
  }
}
