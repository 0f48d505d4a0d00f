/** The table of workflows: the widest fan-out first. */
import { conditionMark, showCondition } from './conditions.js'
import { setText } from './dom.js'
import { count, span } from './format.js'
import { figure, liveTable } from './tables.js'

/** @typedef {import('../src/admin/live-frame.ts').LiveWorkflow} LiveWorkflow */

const MOST = 12

/** @type {import('./tables.js').Column<LiveWorkflow>[]} */
const COLUMNS = [
  { label: 'Workflow', kind: 'text', isHead: true, show: (cell, { workflow }) => setText(cell, workflow) },
  {
    label: 'Condition',
    kind: 'text',
    build: (cell) => cell.append(conditionMark()),
    show(cell, { condition }) {
      const [mark] = cell.children
      if (mark !== undefined) showCondition(mark, condition)
    },
  },
  figure('Width', (row) => count(row.width), 'calls at once, at most'),
  figure('Depth', (row) => count(row.depth), 'agents that call agents'),
  figure('Calls', (row) => count(row.calls)),
  figure('In flight', (row) => count(row.inFlight)),
  figure('Retries', (row) => count(row.retries)),
  figure('Age', (row) => span(row.ageMs)),
]

/** @returns {(rows: readonly LiveWorkflow[]) => void} */
export function workflowTable() {
  const show = liveTable('workflows-table', COLUMNS, (row) => row.workflow)
  return (rows) => show(rows.slice(0, MOST))
}
