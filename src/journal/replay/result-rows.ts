/** The tables of a replay, as rows of words: a terminal aligns them, a page draws them. */
import type { Millis } from '../../core/model.ts'
import type { SideResult } from './replay-journal.ts'
import type { RuleResult } from './rule-result.ts'
import { count } from './unknowns.ts'

export interface Row {
  /** `first`: of a group of rows that belong together. */
  readonly kind: 'head' | 'first' | 'more' | 'difference'
  /** Cells that are words, from the left; the others are numbers. */
  readonly texts: number
  readonly cells: readonly string[]
}

interface Column {
  readonly head: string
  readonly read: (rule: RuleResult) => number
  readonly show: (value: number) => string
}

const COLUMNS: readonly Column[] = [
  { head: 'held', read: (rule) => rule.held, show: count },
  { head: 'slotted', read: (rule) => rule.slotted, show: count },
  { head: 'shed', read: (rule) => rule.shed + rule.deferred, show: count },
  { head: 'wait p50', read: (rule) => rule.waitP50Ms, show: span },
  { head: 'wait p99', read: (rule) => rule.waitP99Ms, show: span },
  { head: 'spared', read: (rule) => rule.sparedAttempts, show: count },
  { head: 'failing', read: (rule) => rule.sparedFailures, show: count },
  { head: 'critical', read: (rule) => rule.critical, show: count },
  { head: 'healthy', read: (rule) => rule.whileHealthy, show: count },
]

/** What the heads mean, for below a table. */
export const LEGEND =
  'held, slotted (refused and asked back at an instant of its own), shed (refused for good): calls; spared: attempts' +
  ' that were made then and would not be, failing: those of them that failed; critical, healthy: of the touched calls' +
  ' those of that class, and those that came while their upstream was healthy'

const HEADS = COLUMNS.map(({ head }) => head)

/** A row per upstream and rule. Only the head = nothing was touched. */
export function ruleRows(side: SideResult): Row[] {
  const rows: Row[] = [{ kind: 'head', texts: 2, cells: ['upstream', 'rule', ...HEADS] }]
  let last = ''
  for (const rule of side.rules) {
    const isFirst = rule.upstream !== last
    last = rule.upstream
    const label = [isFirst ? rule.upstream : '', nameOf(rule)]
    rows.push({ kind: isFirst ? 'first' : 'more', texts: 2, cells: [...label, ...cellsOf(rule)] })
  }
  return rows
}

/** Of each upstream what two sides did, their difference, and which rule did it. */
export function differenceRows(a: SideResult, b: SideResult): Row[] {
  const rows: Row[] = [{ kind: 'head', texts: 3, cells: ['upstream', '', 'rule', ...HEADS] }]
  for (const totalA of a.totals) {
    const totalB = b.totals.find(({ upstream }) => upstream === totalA.upstream)
    if (totalB === undefined) continue
    const own = ({ upstream }: RuleResult): boolean => upstream === totalA.upstream
    const rulesOf = (name: string, side: SideResult): Row[] =>
      side.rules
        .filter(own)
        .map((rule): Row => ({ kind: 'more', texts: 3, cells: ['', name, nameOf(rule), ...cellsOf(rule)] }))
    const details = [...rulesOf('A', a), ...rulesOf('B', b)]
    if (details.length === 0) continue
    const differences = COLUMNS.map((column) => difference(column, totalA, totalB))
    rows.push(
      { kind: 'first', texts: 3, cells: [totalA.upstream, 'A', 'all that act', ...cellsOf(totalA)] },
      { kind: 'more', texts: 3, cells: ['', 'B', 'all that act', ...cellsOf(totalB)] },
      { kind: 'difference', texts: 3, cells: ['', 'B-A', '', ...differences] },
      ...details,
    )
  }
  return rows
}

/** A row per upstream and side; the first side is the journal. */
export function upstreamRows(sides: readonly SideResult[]): Row[] {
  const heads = ['upstream', '', 'calls', 'passed', 'attempts', 'failed', 'moved', 'estimated']
  const names = sides[0]?.upstreams.map(({ upstream }) => upstream) ?? []
  const rows = names.flatMap((name) =>
    sides.map((side, index): Row => {
      const row = side.upstreams.find(({ upstream }) => upstream === name)
      const cells = [row?.calls, row?.passed, row?.attempts, row?.failures, row?.moved, row?.estimated]
      const label = index === 0 ? 'then' : sides.length === 2 ? 'now' : index === 1 ? 'A' : 'B'
      return {
        kind: index === 0 ? 'first' : 'more',
        texts: 2,
        cells: [index === 0 ? name : '', label, ...cells.map((cell) => count(cell ?? 0))],
      }
    }),
  )
  return [{ kind: 'head', texts: 2, cells: heads }, ...rows]
}

function difference(column: Column, a: RuleResult, b: RuleResult): string {
  const by = column.read(b) - column.read(a)
  return by === 0 ? '=' : `${by > 0 ? '+' : '-'}${column.show(Math.abs(by))}`
}

function cellsOf(rule: RuleResult): string[] {
  return COLUMNS.map(({ read, show }) => show(read(rule)))
}

function nameOf({ rule, mode }: RuleResult): string {
  return `${rule === '' ? '(no rule)' : rule}${mode === 'shadow' ? ' (shadow)' : ''}`
}

export function span(ms: Millis): string {
  if (ms === 0) return '0'
  if (ms < 1000) return `${Math.round(ms)} ms`
  return ms < 100_000 ? `${(ms / 1000).toFixed(1)} s` : `${count(Math.round(ms / 1000))} s`
}
