/** What `weir top` shows: a frame and the last events as lines of a terminal. Pure: same input, same lines. */
import type { LiveAgent, LiveFrame, LiveUpstream, LiveWorkflow } from '../admin/live-frame.ts'
import type { EventView } from '../admin/views.ts'

export const TABS = ['agents', 'workflows', 'events'] as const
export type Tab = (typeof TABS)[number]

export interface TopState {
  readonly frame: LiveFrame
  /** The newest last. */
  readonly events: readonly EventView[]
  readonly tab: Tab
  /** How many times the sort key was pressed, by tab. */
  readonly sort: Readonly<Record<Tab, number>>
  /** Wall clock in ms; undefined = connected. */
  readonly lostSince: number | undefined
}

export type Style =
  | 'plain'
  | 'dim'
  | 'bold'
  | 'watch'
  | 'recovering'
  | 'drifting'
  | 'storming'
  | 'degraded'
  | 'down'
export interface Span {
  readonly text: string
  readonly style: Style
}
export type Line = readonly Span[]

interface Column<T> {
  readonly label: string
  readonly width: number
  readonly show: (row: T) => string
  readonly style?: (row: T) => Style
  /** Sorted by this when it is the chosen one: the largest first. */
  readonly rank?: (row: T) => number
  readonly left?: boolean
}

const GLYPHS: Readonly<Record<string, readonly [glyph: string, style: Style]>> = {
  healthy: ['○', 'dim'],
  ordinary: ['○', 'dim'],
  watch: ['◔', 'watch'],
  wide: ['◔', 'watch'],
  recovering: ['◑', 'recovering'],
  drifting: ['▲', 'drifting'],
  retrying: ['▲', 'drifting'],
  amplified: ['▲', 'drifting'],
  storming: ['◆', 'storming'],
  looping: ['◆', 'storming'],
  exploding: ['◆', 'storming'],
  degraded: ['■', 'degraded'],
  'over-budget': ['■', 'degraded'],
  down: ['✕', 'down'],
}

const UPSTREAMS: readonly Column<LiveUpstream>[] = [
  { label: 'UPSTREAM', width: 16, left: true, show: (row) => row.name, style: () => 'bold' },
  conditionColumn(),
  { label: 'FOR', width: 7, show: (row) => span(row.conditionForMs) },
  { label: 'INFL', width: 5, show: (row) => String(row.inFlight) },
  { label: 'LIMIT', width: 6, show: (row) => (row.limit === null ? 'none' : String(Math.round(row.limit))) },
  { label: 'HELD', width: 5, show: (row) => String(row.held) },
  { label: 'CALL/S', width: 7, show: (row) => row.callsPerSecond.toFixed(1) },
  { label: 'P50', width: 8, show: (row) => latency(row.latency.p50) },
  { label: 'HEALTHY', width: 8, show: (row) => latency(row.baseline.p50), style: () => 'dim' },
  { label: 'P99', width: 8, show: (row) => latency(row.latency.p99) },
  { label: 'HEALTHY', width: 8, show: (row) => latency(row.baseline.p99), style: () => 'dim' },
  { label: 'DRIFT', width: 6, show: (row) => row.drift?.toFixed(2) ?? '-' },
  { label: 'ERR', width: 5, show: (row) => percent(row.errorRatio) },
  { label: 'RETRY', width: 6, show: (row) => percent(row.retryRatio) },
  { label: 'AGENTS', width: 8, show: (row) => `${row.retryingAgents}/${row.activeAgents}` },
  { label: 'SHED/S', width: 7, show: (row) => row.shedPerSecond.toFixed(1) },
  { label: 'ETA', width: 7, show: (row) => (row.etaMs === null ? '-' : span(row.etaMs)) },
]

const AGENTS: readonly Column<LiveAgent>[] = [
  { label: 'AGENT', width: 32, left: true, show: (row) => row.agent, style: () => 'bold' },
  conditionColumn(),
  {
    label: 'RETRY/S',
    width: 8,
    show: (row) => row.retriesPerSecond.toFixed(1),
    rank: (row) => row.retriesPerSecond,
  },
  {
    label: 'CALL/S',
    width: 8,
    show: (row) => row.callsPerSecond.toFixed(1),
    rank: (row) => row.callsPerSecond,
  },
  { label: 'CALLS', width: 9, show: (row) => String(row.calls), rank: (row) => row.calls },
  { label: 'RETRIES', width: 9, show: (row) => row.retries.toFixed(0), rank: (row) => row.retries },
  { label: 'FAILED', width: 8, show: (row) => String(row.failures), rank: (row) => row.failures },
  { label: 'INFL', width: 6, show: (row) => String(row.inFlight), rank: (row) => row.inFlight },
  { label: 'HELD', width: 6, show: (row) => String(row.held), rank: (row) => row.held },
]

const WORKFLOWS: readonly Column<LiveWorkflow>[] = [
  { label: 'WORKFLOW', width: 32, left: true, show: (row) => row.workflow, style: () => 'bold' },
  conditionColumn(),
  { label: 'WIDTH', width: 7, show: (row) => String(row.width), rank: (row) => row.width },
  { label: 'DEPTH', width: 7, show: (row) => String(row.depth), rank: (row) => row.depth },
  { label: 'CALLS', width: 9, show: (row) => String(row.calls), rank: (row) => row.calls },
  { label: 'INFL', width: 6, show: (row) => String(row.inFlight), rank: (row) => row.inFlight },
  { label: 'RETRIES', width: 9, show: (row) => row.retries.toFixed(0), rank: (row) => row.retries },
  { label: 'AGE', width: 8, show: (row) => span(row.ageMs), rank: (row) => row.ageMs },
]

/** Everything, one part below the other, for a pipe or a file. */
export function wholePage({ frame, events }: Pick<TopState, 'frame' | 'events'>): Line[] {
  return [
    header(frame, undefined),
    [],
    ...table(UPSTREAMS, frame.upstreams),
    [],
    ...(frame.agents.length === 0 ? emptyAgents(frame) : table(AGENTS, frame.agents)),
    ...(frame.workflows.length === 0 ? [] : [[], ...table(WORKFLOWS, frame.workflows)]),
    ...(events.length === 0 ? [] : [[], ...events.slice(-10).map(eventLine)]),
  ]
}

/** At most `rows` lines: the upstreams, the chosen list, and below the last events. */
export function screen(state: TopState, rows: number): Line[] {
  const { frame, events, tab } = state
  const upstreams = table(UPSTREAMS, bySeverity(frame.upstreams))
  const most = Math.max(3, Math.floor((rows - 4) / 2))
  const hidden = upstreams.length - most
  const shown = hidden > 0 ? [...upstreams.slice(0, most - 1), [dim(`… ${hidden + 1} more`)]] : upstreams
  const head = [header(frame, state.lostSince), ...shown, [], tabLine(state)]
  const left = Math.max(0, rows - head.length - 1)
  const foot = tab === 'events' || left < 12 ? [] : [[], ...events.slice(-5).map(eventLine)]
  const body = bodyOf(state, left - foot.length).slice(0, Math.max(0, left - foot.length))
  const filler = Array.from({ length: Math.max(0, left - foot.length - body.length) }, (): Line => [])
  return [...head, ...body, ...filler, ...foot, [dim(KEYS)]].slice(0, rows)
}

const KEYS = 'q quit  ←→ 1-3 switch  s sort'

/** The label of the column that the chosen list is sorted by. */
export function sortedBy(state: Pick<TopState, 'tab' | 'sort'>): string {
  if (state.tab === 'agents') return ranked(AGENTS, state.sort.agents).label
  return state.tab === 'workflows' ? ranked(WORKFLOWS, state.sort.workflows).label : 'TIME'
}

function bodyOf({ frame, events, tab, sort }: TopState, rows: number): Line[] {
  if (tab === 'events') return events.slice(-Math.max(1, rows)).toReversed().map(eventLine)
  if (tab === 'workflows') {
    if (frame.workflows.length === 0) return [[dim('No workflow runs now.')]]
    return table(WORKFLOWS, sorted(WORKFLOWS, frame.workflows, sort.workflows))
  }
  if (frame.agents.length === 0) return emptyAgents(frame)
  return table(AGENTS, sorted(AGENTS, frame.agents, sort.agents))
}

function emptyAgents({ agentsUrl, upstreams }: LiveFrame): Line[] {
  const name = upstreams[0]?.name ?? 'upstream'
  return [[dim('No agent has called yet: point its base URL at '), plain(`${agentsUrl}/${name}`)]]
}

function header(frame: LiveFrame, lostSince: number | undefined): Line {
  const facts = `  ${frame.version}  ${frame.state}  up ${span(frame.uptimeMs)}  open ${frame.open}  agents ${frame.agentsKnown}  workflows ${frame.workflowsKnown}`
  if (lostSince === undefined) return [bold('weir'), plain(facts)]
  const since = new Date(lostSince).toTimeString().slice(0, 8)
  return [
    bold('weir'),
    plain(facts),
    { text: `  ✕ disconnected since ${since}, trying again`, style: 'storming' },
  ]
}

function tabLine(state: TopState): Line {
  const tabs = TABS.flatMap((tab, index): Span[] => [
    tab === state.tab ? bold(`[${index + 1} ${tab}]`) : dim(` ${index + 1} ${tab} `),
    plain(' '),
  ])
  return [...tabs, dim(`by ${sortedBy(state).toLowerCase()}`)]
}

function table<T>(columns: readonly Column<T>[], rows: readonly T[]): Line[] {
  const head = columns.map((column) => dim(cell(column, column.label)))
  return [head, ...rows.map((row) => columns.map((column) => spanOf(column, row)))]
}

function spanOf<T>(column: Column<T>, row: T): Span {
  return { text: cell(column, column.show(row)), style: column.style?.(row) ?? 'plain' }
}

function cell<T>({ width, left }: Column<T>, text: string): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?')
  const short = clean.length > width - 1 ? `${clean.slice(0, width - 2)}…` : clean
  return left === true ? short.padEnd(width) : short.padStart(width)
}

function conditionColumn<T extends { readonly condition: string }>(): Column<T> {
  const look = ({ condition }: T): readonly [string, Style] => GLYPHS[condition] ?? ['?', 'plain']
  return {
    label: 'CONDITION',
    width: 14,
    left: true,
    show: (row) => `${look(row)[0]} ${row.condition}`,
    style: (row) => look(row)[1],
  }
}

function ranked<T>(columns: readonly Column<T>[], presses: number): Column<T> {
  const candidates = columns.filter(({ rank }) => rank !== undefined)
  return candidates[presses % candidates.length]!
}

function sorted<T>(columns: readonly Column<T>[], rows: readonly T[], presses: number): readonly T[] {
  const { rank } = ranked(columns, presses)
  return rank === undefined ? rows : rows.toSorted((a, b) => rank(b) - rank(a))
}

const SEVERITY = ['healthy', 'watch', 'recovering', 'drifting', 'storming', 'degraded', 'down']

function bySeverity(rows: readonly LiveUpstream[]): readonly LiveUpstream[] {
  return rows.toSorted((a, b) => SEVERITY.indexOf(b.condition) - SEVERITY.indexOf(a.condition))
}

function eventLine({ time, upstream, text, name }: EventView): Line {
  const at = new Date(time).toTimeString().slice(0, 8)
  const what = (text ?? name).replaceAll(/[\p{Cc}\p{Cf}]/gu, '?')
  return [dim(`${at} `), bold((upstream === '' ? 'policies' : upstream).padEnd(12)), plain(` ${what}`)]
}

function plain(text: string): Span {
  return { text, style: 'plain' }
}

function dim(text: string): Span {
  return { text, style: 'dim' }
}

function bold(text: string): Span {
  return { text, style: 'bold' }
}

function latency(ms: number): string {
  if (ms === 0) return '-'
  return ms < 999.5 ? `${Math.round(ms)}ms` : `${(ms / 1000).toFixed(2)}s`
}

function percent(ratio: number): string {
  return `${Math.round(ratio * 100)}%`
}

function span(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  if (seconds < 100) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 100) return `${minutes}m${String(seconds % 60).padStart(2, '0')}`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours}h${String(minutes % 60).padStart(2, '0')}` : `${Math.floor(hours / 24)}d`
}
