import { DataPointType } from '@opentelemetry/sdk-metrics'
import { array, assert, integer, property } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { METRICS } from '../metric-names.ts'
import type { MetricRow } from '../metric-names.ts'
import { MetricDataPage } from './metric-data-page.ts'
import { otlpName } from './metric-names.ts'
import { loadOtlpSdk } from './sdk.ts'

const sdk = await loadOtlpSdk()
const ROWS: readonly MetricRow[] = Object.values(METRICS)
const page = (): MetricDataPage => new MetricDataPage(sdk, [100, 0], [160, 0])

/** As collectors make Prometheus names: the unit and `_total` are added where the name does not end so. */
function prometheusName({ type, ...row }: MetricRow): string {
  const { name, unit } = otlpName({ type, ...row })
  const suffix = { s: '_seconds', By: '_bytes', '1': type === 'gauge' ? '_ratio' : '' }[unit] ?? ''
  const plain = name.replaceAll('.', '_')
  const withUnit = plain.endsWith(suffix) ? plain : plain + suffix
  return type === 'counter' ? `${withUnit}_total` : withUnit
}

describe('names of metrics', () => {
  it('turn back into those of /metrics', () => {
    for (const row of ROWS) expect(prometheusName(row)).toBe(row.name)
  })

  it('are distinct, begin with the namespace, and are what OpenTelemetry allows', () => {
    const names = ROWS.map((row) => otlpName(row).name)
    expect(new Set(names).size).toBe(ROWS.length)
    for (const name of names) expect(name).toMatch(/^weir\.[a-z][a-z0-9_]*$/)
  })
})

describe('the data of an export', () => {
  it('says a counter as a sum since the start and a gauge as it is', () => {
    const made = page()
    made.family(METRICS.calls)
    made.value(METRICS.calls, ['up', 'passed'], 3)
    made.single(METRICS.ready, 1)
    const [calls, ready] = made.data()
    expect(calls).toMatchObject({
      descriptor: { name: 'weir.calls', unit: '{call}', description: METRICS.calls.help },
      dataPointType: DataPointType.SUM,
      isMonotonic: true,
      dataPoints: [
        {
          startTime: [100, 0],
          endTime: [160, 0],
          attributes: { upstream: 'up', outcome: 'passed' },
          value: 3,
        },
      ],
    })
    expect(ready).toMatchObject({ dataPointType: DataPointType.GAUGE, dataPoints: [{ value: 1 }] })
  })

  it('has no point for a figure that does not exist, and no family without points', () => {
    const made = page()
    made.family(METRICS.limit)
    made.value(METRICS.limit, ['a'], Infinity)
    made.value(METRICS.limit, ['b'], 7)
    made.single(METRICS.rampRate, Number.NaN)
    expect(made.data()).toMatchObject([
      { descriptor: { name: 'weir.limit' }, dataPoints: [{ attributes: { upstream: 'b' }, value: 7 }] },
    ])
  })

  it('keeps the buckets of a histogram: any list of values comes out as counted by hand', () => {
    const bounds = [5, 10, 250]
    assert(
      property(array(integer({ min: 0, max: 1000 })), (values) => {
        const made = page()
        made.family(METRICS.holdDuration)
        made.histogram(METRICS.holdDuration, ['up'], {
          bounds,
          counts: [...bounds, Infinity].map((bound) => values.filter((value) => value <= bound).length),
          sum: values.reduce((sum, value) => sum + value, 0),
        })
        const edges = [-1, ...bounds, Infinity]
        const counts = edges
          .slice(1)
          .map((bound, at) => values.filter((value) => value > edges[at]! && value <= bound).length)
        expect(made.data()[0]?.dataPoints[0]?.value).toEqual({
          buckets: { boundaries: [0.005, 0.01, 0.25], counts },
          sum: values.reduce((sum, value) => sum + value, 0) / 1000,
          count: values.length,
        })
      }),
    )
  })

  it('refuses a series outside its family', () => {
    const made = page().family(METRICS.held)
    expect(() => made.value(METRICS.inFlight, ['up'], 1)).toThrow(/weir_in_flight/)
  })
})
