/**
 * The names of `../metric-names.ts` as OpenTelemetry writes them: a namespace before a dot, `_total` and `_seconds`
 * left to the kind and the unit. Other endings stay, for without them two names would be one (`weir_held` and
 * `weir_held_bytes`). A collector that turns them into Prometheus names gets back those of `/metrics`, so that the
 * same alerts and dashboards serve both ways; labels keep their names for that reason.
 */
import type { MetricRow } from '../metric-names.ts'

/** UCUM; what is counted stands in braces (metrics semantic conventions, "Instrument units"). */
const UNITS: Readonly<Record<MetricRow['unit'], string>> = {
  calls: '{call}',
  attempts: '{attempt}',
  seconds: 's',
  bytes: 'By',
  ratio: '1',
  'per second': '{call_per_second}',
  count: '',
  '0 or 1': '',
  score: '',
}

export interface OtlpName {
  readonly name: string
  readonly unit: string
}

export function otlpName({ name, unit }: MetricRow): OtlpName {
  // `1` is what the translators make `_ratio` of.
  const isPlainRatio = unit === 'ratio' && !name.endsWith('_ratio')
  return {
    name: name.replace(/_(?:total|seconds)$/, '').replace('weir_', 'weir.'),
    unit: isPlainRatio ? '' : UNITS[unit],
  }
}
