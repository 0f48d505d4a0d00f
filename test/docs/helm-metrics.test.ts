/** The alerts and dashboards of the chart name metrics; each of them must be one that Weir has. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CONDITIONS, OUTCOMES } from '../../src/core/model.ts'
import { METRICS, type MetricRow } from '../../src/telemetry/metric-names.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const ROWS: readonly MetricRow[] = Object.values(METRICS)

/** What a scrape shows: a histogram only by its three series, everything else by its own name. */
const SERIES: ReadonlyMap<string, MetricRow> = new Map(
  ROWS.flatMap((row) =>
    row.type === 'histogram'
      ? ['bucket', 'sum', 'count'].map((part) => [`${row.name}_${part}`, row] as const)
      : [[row.name, row] as const],
  ),
)

/** A name, and its matchers if it has any: `weir_calls_total{outcome="shed"}`. */
const NAMED = /(?<![\w:])(weir_[a-z0-9_]+)(?:\{([^}]*)\})?(?!\w|:)/g

function namedIn(text: string): { name: string; labels: string[] }[] {
  return [...text.matchAll(NAMED)].map((match) => ({
    name: match[1] as string,
    labels: [...(match[2] ?? '').matchAll(/([a-z_]+)\s*(?:=~|!~|!=|=)/g)].map((label) => label[1] as string),
  }))
}

function problemsIn(text: string): string[] {
  return namedIn(text).flatMap(({ name, labels }) => {
    const row = SERIES.get(name)
    if (row === undefined) return [`${name}: no such series`]
    const known = [...row.labels, 'le', 'namespace', 'job', 'pod', 'instance']
    return labels.filter((label) => !known.includes(label)).map((label) => `${name}: no label ${label}`)
  })
}

const FILES = ['helm', 'deploy'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name)),
)

/** The values that the chart asks of a label, wherever it is a metric's first one; of `a|b` both. */
function valuesOf(label: string): string[] {
  const pattern = new RegExp(`weir_[a-z_]+\\{${label}(?:=~|!=|=)\\\\?"([^"\\\\]*)\\\\?"`, 'g')
  return FILES.flatMap((file) => [...readFileSync(file, 'utf8').matchAll(pattern)]).flatMap((match) =>
    (match[1] as string).split('|'),
  )
}

interface Panel {
  readonly id: number
  readonly title: string
  readonly type: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}
const DASHBOARD = JSON.parse(readFileSync(join(ROOT, 'helm/weir/files/dashboard.json'), 'utf8')) as {
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly { readonly name: string }[] }
}

describe('metrics named in the chart', () => {
  it('exist, with the labels that are asked of them', () => {
    const problems = FILES.flatMap((file) =>
      problemsIn(readFileSync(file, 'utf8')).map((problem) => `${file.slice(ROOT.length + 1)}: ${problem}`),
    )
    expect(problems).toEqual([])
  })

  it('are found at all: the alerts name a counter, a gauge and a histogram', () => {
    const rules = namedIn(readFileSync(join(ROOT, 'helm/weir/files/rules.yaml'), 'utf8'))
    const types = rules.map(({ name }) => SERIES.get(name)?.type)
    expect(new Set(types)).toEqual(new Set(['counter', 'gauge', 'histogram']))
  })

  it('are told apart from a name that does not exist, a bare histogram and a label of another', () => {
    expect(problemsIn('rate(weir_call_total[5m])')).toEqual(['weir_call_total: no such series'])
    expect(problemsIn('weir_upstream_duration_seconds')).toHaveLength(1)
    expect(problemsIn('weir_calls_total_bucket')).toHaveLength(1)
    expect(problemsIn('weir_calls_total{verdict="shed"}')).toEqual(['weir_calls_total: no label verdict'])
    expect(problemsIn('sum by (le) (weir_hold_duration_seconds_bucket{upstream="a"})')).toEqual([])
  })

  it('take label values that Weir writes', () => {
    expect(valuesOf('outcome').length * valuesOf('condition').length).toBeGreaterThan(0)
    expect(valuesOf('outcome').filter((value) => !OUTCOMES.some((known) => known === value))).toEqual([])
    expect(valuesOf('condition').filter((value) => !CONDITIONS.some((known) => known === value))).toEqual([])
  })
})

describe('the dashboard', () => {
  const targets = DASHBOARD.panels.flatMap((panel) => panel.targets ?? [])

  it("asks only with variables that it has, and Grafana's own", () => {
    const known = [...DASHBOARD.templating.list.map(({ name }) => name), '__rate_interval']
    const used = targets.flatMap(({ expr }) =>
      [...expr.matchAll(/\$(\w+)/g)].map((match) => match[1] as string),
    )
    expect(new Set(used)).toEqual(new Set(['job', 'upstream', '__rate_interval']))
    expect(used.filter((name) => !known.includes(name))).toEqual([])
  })

  it('names in legends only labels that the query leaves', () => {
    for (const { expr, legendFormat } of targets) {
      const by = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ') ?? []
      const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map((match) => match[1] as string)
      const unknown = labels.filter((label) => !by.includes(label) && label !== 'instance')
      expect({ expr, unknown }).toEqual({ expr, unknown: [] })
    }
  })

  it('has panels with ids of their own that fill rows of 24 and do not lie on each other', () => {
    const { panels } = DASHBOARD
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const rows = new Map<number, number>()
    for (const { gridPos } of panels) {
      expect(gridPos.x).toBe(rows.get(gridPos.y) ?? 0)
      rows.set(gridPos.y, gridPos.x + gridPos.w)
    }
    expect([...rows.values()].filter((width) => width !== 24)).toEqual([])
  })

  it('shows every metric that says how an upstream is, and what was done', () => {
    const named = new Set(
      targets.flatMap(({ expr }) => namedIn(expr).map(({ name }) => SERIES.get(name)?.name)),
    )
    const must = [
      'condition',
      'calls',
      'verdicts',
      'attempts',
      'slowdown',
      'retryingAgents',
      'limit',
      'held',
      'inFlight',
    ] as const
    const names = must.map((key) => METRICS[key].name)
    expect(names.filter((name) => !named.has(name))).toEqual([])
  })
})
