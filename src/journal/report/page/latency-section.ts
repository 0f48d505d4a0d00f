/** Tail latency while an upstream drifts. */
import { CONDITIONS } from '../../../core/model.ts'
import { conditionColour, SHADED, SIGNS } from '../charts/condition-look.ts'
import { isLogarithmic, latencyChart } from '../charts/latency-chart.ts'
import { svgChart } from '../charts/svg-chart.ts'
import type { Findings, UpstreamFindings } from '../findings.ts'
import { sayClock, sayCount, sayLatency, saySpan } from '../say.ts'
import { keyOf, type KeyItem } from './key.ts'
import { markup, type Markup } from './markup.ts'
import { folded, tableOf } from './table.ts'

const MOST_CHARTS = 6
const FEWEST_SAMPLES = 10
/** Rows of a table: columns of a chart are put together for it. */
const MOST_ROWS = 40

export function latencySection(findings: Findings, upstreams: readonly UpstreamFindings[]): Markup {
  const shown = upstreams.filter(({ latency }) => latency.samples >= FEWEST_SAMPLES).slice(0, MOST_CHARTS)
  return markup`<section id="latency">
    <h2>Tail latency</h2>
    <p>
      Time from sending a call to its answer; streams count by their first byte. Attempts that
      nobody answered count with the time that they had waited; answers that were errors do not count.
    </p>
    ${shown.length === 0 ? markup`<p class="note">Too few response times.</p>` : shown.map((upstream) => bands(findings, upstream))}
  </section>`
}

function bands(findings: Findings, upstream: UpstreamFindings): Markup {
  const { name, latency, conditions } = upstream
  const { all, series } = latency
  const { bucketMs, seriesFromMs } = findings.time
  const worst = series.p99.reduce<number>(
    (most, p99, column) => ((p99 ?? 0) > (series.p99[most] ?? 0) ? column : most),
    0,
  )
  const at = sayClock(seriesFromMs + worst * bucketMs)
  const text =
    all === null
      ? ''
      : `Over all: half within ${sayLatency(all.p50)}, 90 % within ${sayLatency(all.p90)}, 99 % within ${sayLatency(all.p99)}. Worst at ${at}: 99 % within ${sayLatency(series.p99[worst] ?? 0)}.`
  const seen = new Set(conditions.stretches.map(({ condition }) => condition))
  const told = new Set<string>(conditions.marks.map((mark) => mark.name))
  const key: KeyItem[] = [
    { text: 'half of the calls (p50)', colour: 'var(--accent)', isLine: true },
    { text: 'up to 90 % (p90)', colour: 'var(--band)' },
    { text: 'up to 99 % (p99)', colour: 'var(--band-tail)' },
    ...CONDITIONS.filter((condition) => SHADED.has(condition) && seen.has(condition)).map((condition) => ({
      text: condition,
      colour: conditionColour(condition),
    })),
    ...Object.entries(SIGNS).flatMap(([event, { sign }]) =>
      told.has(event) ? [{ sign, text: event.replaceAll('-', ' ') }] : [],
    ),
  ]
  return markup`<h3>${name}</h3>
    <figure>
      <figcaption>${text}${isLogarithmic(upstream) ? ' The scale is logarithmic.' : ''}</figcaption>
      ${svgChart({ title: `Response times of ${name}`, description: text }, (width) => latencyChart(findings, upstream, width))}
      ${keyOf(key)}${folded(latencyTable(findings, upstream))}
    </figure>`
}

function latencyTable(findings: Findings, { name, latency }: UpstreamFindings): Markup {
  const { bucketMs, seriesFromMs, columns } = findings.time
  const every = Math.max(1, Math.ceil(columns / MOST_ROWS))
  const rows = latency.series.samples.flatMap((samples, column) =>
    column % every === 0 && samples > 0 ? [column] : [],
  )
  return tableOf<number>(
    [
      { head: 'from', cell: (column) => sayClock(seriesFromMs + column * bucketMs), isText: true },
      { head: 'calls', cell: (column) => sayCount(latency.series.samples[column] ?? 0) },
      { head: 'p50', cell: cell(latency.series.p50) },
      { head: 'p90', cell: cell(latency.series.p90) },
      { head: 'p99', cell: cell(latency.series.p99) },
    ],
    rows,
    {
      caption: `Response times of ${name} per ${saySpan(bucketMs)}${every > 1 ? `, every ${every}th` : ''}`,
    },
  )
}

function cell(values: readonly (number | null)[]): (column: number) => string {
  return (column) => {
    const value = values[column]
    return value === null || value === undefined ? '' : sayLatency(value)
  }
}
