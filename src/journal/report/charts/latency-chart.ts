/** Response times of one upstream: the median as a line, what lies up to the 90th and the 99th percentile as bands. */
import type { Findings, UpstreamFindings } from '../findings.ts'
import { sayLatency } from '../say.ts'
import { shading, signAt, signsOf } from './condition-look.ts'
import { layer, type Chart, type Drawn } from './svg-chart.ts'
import { LABEL, margins, timeAxis, timeEnds } from './time-axis.ts'

const HEIGHT = 220
const TOP = 26
const BOTTOM = 28
/** From this span on the axis is logarithmic: otherwise one bad minute makes the healthy hours a flat line. */
const LOG_FROM = 12

export function isLogarithmic({ latency }: UpstreamFindings): boolean {
  const { low, high } = extremes(latency.series)
  return high / low > LOG_FROM
}

export function latencyChart(findings: Findings, upstream: UpstreamFindings, width: number): Chart {
  const { left, right } = margins(width)
  const { from, to } = timeEnds(findings)
  const { bucketMs } = findings.time
  const { series } = upstream.latency
  const { low, high } = extremes(series)
  const isLog = isLogarithmic(upstream)
  const ticks = isLog ? logTicks(low, high) : linearTicks(high)
  const top = ticks.at(-1)!
  const bottom = isLog ? ticks[0]! : 0
  const middle = (column: number): number => from + (column + 0.5) * bucketMs
  return {
    height: HEIGHT,
    option: {
      grid: { left, right, top: TOP, bottom: BOTTOM },
      xAxis: timeAxis(findings, width),
      yAxis: {
        type: isLog ? 'log' : 'value',
        min: bottom,
        max: top,
        axisLine: { show: false },
        axisTick: { show: false },
        splitLine: { show: false },
        axisLabel: { ...LABEL, customValues: ticks, formatter: (ms: number) => sayLatency(ms) },
      },
      series: [
        layer((place) => {
          const at = (x: number, ms: number): [number, number] =>
            place(x, Math.min(top, Math.max(bottom, ms)))
          const floor = HEIGHT - BOTTOM
          const drawn: Drawn[] = shading(
            upstream.conditions.stretches,
            (x) => place(x, top),
            from,
            to,
            TOP,
            floor - TOP,
          )
          for (const tick of ticks) drawn.push(gridLine(place(from, tick), place(to, tick)))
          for (const run of runsOf(series.p50)) {
            const band = (
              under: readonly (number | null)[],
              over: readonly (number | null)[],
              fill: string,
            ): Drawn => ({
              type: 'polygon',
              shape: {
                points: [
                  ...run.map((column) => at(middle(column), over[column] ?? bottom)),
                  ...run.toReversed().map((column) => at(middle(column), under[column] ?? bottom)),
                ],
              },
              style: { fill },
            })
            drawn.push(
              band(series.p90, series.p99, 'var(--band-tail)'),
              band(series.p50, series.p90, 'var(--band)'),
            )
            drawn.push(
              line(
                run.map((column) => at(middle(column), series.p99[column] ?? bottom)),
                'var(--band-edge)',
                1,
              ),
            )
            drawn.push(
              line(
                run.map((column) => at(middle(column), series.p50[column] ?? bottom)),
                'var(--accent)',
                2,
              ),
            )
          }
          const signs = signsOf(upstream.conditions.marks, (x) => place(x, top)[0], width - right + 8)
          for (const { sign, x, shownX } of signs) {
            drawn.push(dashed(x, TOP, floor), signAt(shownX, TOP - 12, sign))
          }
          return drawn
        }),
      ],
    },
  }
}

function extremes({ p50, p99 }: UpstreamFindings['latency']['series']): { low: number; high: number } {
  const low = Math.max(0.1, Math.min(...known(p50), 60_000))
  return { low, high: Math.max(low, 1, ...known(p99)) }
}

/** 1, 2, 5 per power of ten, or only powers when that is too many. */
function logTicks(low: number, high: number): number[] {
  const ticks: number[] = []
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const digit of [1, 2, 5]) ticks.push(Math.round(digit * 10 ** power * 10) / 10)
  }
  const first = Math.max(
    0,
    ticks.findLastIndex((tick) => tick <= low),
  )
  const last = ticks.findIndex((tick) => tick >= high)
  const used = ticks.slice(first, (last === -1 ? ticks.length - 1 : last) + 1)
  if (used.length <= 7) return used
  return used.filter(
    (tick, index) => index === 0 || index === used.length - 1 || /^0?\.?10*$/.test(String(tick)),
  )
}

function linearTicks(high: number): number[] {
  const rough = high / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((digit) => digit * power).find((value) => value >= rough) ?? rough
  const count = Math.ceil(high / step)
  return Array.from({ length: count + 1 }, (_, index) => index * step)
}

/** Columns in a row that have a value. */
function runsOf(values: readonly (number | null)[]): number[][] {
  const runs: number[][] = []
  for (const [column, value] of values.entries()) {
    if (value === null) continue
    const last = runs.at(-1)
    if (last !== undefined && last.at(-1) === column - 1) last.push(column)
    else runs.push([column])
  }
  return runs
}

function line(points: readonly [number, number][], stroke: string, lineWidth: number): Drawn {
  return {
    type: 'polyline',
    shape: { points: [...points] },
    style: { fill: 'none', stroke, lineWidth, lineJoin: 'round' },
  }
}

function gridLine([x1, y1]: [number, number], [x2, y2]: [number, number]): Drawn {
  return {
    type: 'line',
    shape: { x1, y1, x2, y2 },
    style: { fill: 'none', stroke: 'var(--rule)', lineWidth: 1 },
  }
}

function dashed(x: number, y1: number, y2: number): Drawn {
  return {
    type: 'line',
    shape: { x1: x, y1, x2: x, y2 },
    style: { fill: 'none', stroke: 'var(--ink)', lineWidth: 1, lineDash: [2, 3], opacity: 0.6 },
  }
}

function known(values: readonly (number | null)[]): number[] {
  return values.filter((value) => value !== null)
}
