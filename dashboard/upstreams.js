/** The table of upstreams: what each is seen as, what it is given, and the figures behind it. */
import { conditionMark, showCondition } from './conditions.js'
import { element, setAttribute, setText } from './dom.js'
import { count, decimal, latency, limit, percent, span } from './format.js'
import { figure, liveTable } from './tables.js'

/** @typedef {import('../src/admin/live-frame.ts').LiveUpstream} LiveUpstream */

/** @type {import('./tables.js').Column<LiveUpstream>[]} */
const COLUMNS = [
  { label: 'Upstream', kind: 'text', isHead: true, show: (cell, { name }) => setText(cell, name) },
  {
    label: 'Condition',
    kind: 'text',
    build: (cell) => cell.append(conditionMark(), element('span', { class: 'since' })),
    show(cell, { condition, conditionForMs }) {
      const [mark, since] = cell.children
      if (mark !== undefined) showCondition(mark, condition)
      if (since !== undefined) setText(since, `for ${span(conditionForMs)}`)
      setAttribute(cell, 'data-condition', condition)
    },
  },
  figure('In flight', (row) => count(row.inFlight), 'calls at the upstream now'),
  figure('Limit', (row) => limit(row.limit), 'calls at once that it is given; none while it is healthy'),
  figure('Held', (row) => count(row.held), 'calls that wait inside Weir'),
  figure('Calls/s', (row) => decimal(row.callsPerSecond)),
  figure(
    'Shed/s',
    (row) => decimal(row.shedPerSecond),
    'calls refused with a slot of their own, enforced rules only',
  ),
  figure(
    'p50',
    (row) => latency(row.latency.p50),
    'median of the last 30 s; streams count by their first byte',
  ),
  {
    ...figure(
      'healthy',
      (row) => healthy(row.baseline.p50, row.latency.p50),
      'median of the healthy reference',
    ),
    card: 'p50 healthy',
  },
  figure('p99', (row) => latency(row.latency.p99), 'of the last 30 s'),
  {
    ...figure('healthy', (row) => healthy(row.baseline.p99, row.latency.p99), 'p99 of the healthy reference'),
    card: 'p99 healthy',
  },
  figure(
    'Drift',
    (row) => (row.drift === null ? '–' : row.drift.toFixed(2)),
    'evidence of drift over its alarm: 1.00 fires',
  ),
  figure('Errors', (row) => percent(row.errorRatio), 'share of the attempts that failed, lately'),
  figure('Retries', (row) => percent(row.retryRatio), 'share of the attempts that are retries'),
  figure(
    'Agents retrying',
    (row) => `${count(row.retryingAgents)} / ${count(row.activeAgents)}`,
    'distinct agents that retry, of those that call',
  ),
  figure('ETA', (row) => (row.etaMs === 0 ? 'now' : span(row.etaMs)), 'until it fails, if the trend goes on'),
]

/** Until the reference is known there are calls and no figure. @param {number} reference @param {number} now */
function healthy(reference, now) {
  return reference === 0 && now > 0 ? 'learning' : latency(reference)
}

/** @returns {(rows: readonly LiveUpstream[]) => void} */
export function upstreamTable() {
  return liveTable('upstreams-table', COLUMNS, (row) => row.name)
}
