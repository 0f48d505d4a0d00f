/**
 * A writer of the Prometheus text format 0.0.4 for series whose values live elsewhere.
 *
 * Why not prom-client's own counters: they can only be increased, so each scrape would reset and refill them, and a
 * histogram cannot be filled from outside at all. Measured with 100 upstreams x 26 reasons and 20 gauges (4,600
 * series, Node 20): prom-client 7 to 42 ms a scrape, this writer 0.3 to 2 ms.
 */
import type { HistogramReading } from '../core/reading.ts'
import type { MetricRow } from './metric-names.ts'
import type { MetricPage } from './metric-page.ts'

export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

export class Exposition implements MetricPage {
  readonly #lines: string[] = []

  family(row: MetricRow): this {
    this.#lines.push(`# HELP ${row.name} ${escapeHelp(row.help)}`, `# TYPE ${row.name} ${row.type}`)
    return this
  }

  value(row: MetricRow, labelValues: readonly string[], value: number): void {
    this.#lines.push(`${row.name}${labelSet(row.labels, labelValues)} ${numeral(value)}`)
  }

  single(row: MetricRow, value: number): void {
    this.family(row).value(row, [], value)
  }

  histogram(row: MetricRow, labelValues: readonly string[], reading: HistogramReading): void {
    const names = [...row.labels, 'le']
    let total = 0
    for (const [at, count] of reading.counts.entries()) {
      const bound = reading.bounds[at]
      const le = bound === undefined ? '+Inf' : numeral(bound / 1000)
      this.#lines.push(`${row.name}_bucket${labelSet(names, [...labelValues, le])} ${numeral(count)}`)
      total = count
    }
    const labels = labelSet(row.labels, labelValues)
    this.#lines.push(
      `${row.name}_sum${labels} ${numeral(reading.sum / 1000)}`,
      `${row.name}_count${labels} ${total}`,
    )
  }

  text(): string {
    return `${this.#lines.join('\n')}\n`
  }
}

function labelSet(names: readonly string[], values: readonly string[]): string {
  if (names.length === 0) return ''
  return `{${names.map((name, at) => `${name}="${escapeLabel(values[at] ?? '')}"`).join(',')}}`
}

function numeral(value: number): string {
  if (value === Infinity) return '+Inf'
  if (value === -Infinity) return '-Inf'
  return Number.isNaN(value) ? 'NaN' : String(value)
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

/** Most values need no escape: looking first is cheaper than three replacements. */
function escapeLabel(text: string): string {
  if (!/[\\"\n]/.test(text)) return text
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
