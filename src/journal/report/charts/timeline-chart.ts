/** One row per upstream: what it was seen as, and the events. Without conditions: how much came to nothing. */
import type { Findings, UpstreamFindings } from '../findings.ts'
import { nothingOf } from '../worst-stretch.ts'
import { conditionColour, signAt, signsOf } from './condition-look.ts'
import { layer, NARROW, type Chart, type Drawn } from './svg-chart.ts'
import { LABEL, margins, timeAxis, timeEnds } from './time-axis.ts'
import { shortName } from './short-name.ts'

const ROW = 46
const STRIP = 16
/** Steps of the share that came to nothing, where no condition is known. */
const SHARES = [0.02, 0.1, 0.25, 0.5, 0.75]

export function timelineChart(
  findings: Findings,
  upstreams: readonly UpstreamFindings[],
  width: number,
): Chart {
  const { left, right } = margins(width)
  const { from, to } = timeEnds(findings)
  const height = upstreams.length * ROW + 34
  return {
    height,
    option: {
      grid: { left, right, top: 6, bottom: 28 },
      xAxis: timeAxis(findings, width),
      yAxis: {
        type: 'category',
        inverse: true,
        data: upstreams.map(({ name }) => name),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: {
          ...LABEL,
          color: 'var(--ink)',
          fontWeight: 600,
          formatter: (name: string) => shortName(name, width <= NARROW ? 8 : 15),
        },
      },
      series: [
        layer((place) => {
          const drawn: Drawn[] = []
          for (const [row, upstream] of upstreams.entries()) {
            const y = place(from, row)[1] + 6
            drawn.push(...strip(findings, upstream, (at) => place(at, row)[0], y, from, to))
            const signs = signsOf(upstream.conditions.marks, (at) => place(at, row)[0], width - right + 8)
            for (const { sign, shownX } of signs) drawn.push(signAt(shownX, y - STRIP / 2 - 10, sign))
          }
          if (findings.worst !== null) drawn.push(frame(findings.worst, place, from, to, upstreams.length))
          return drawn
        }),
      ],
    },
  }
}

function strip(
  findings: Findings,
  upstream: UpstreamFindings,
  x: (at: number) => number,
  y: number,
  from: number,
  to: number,
): Drawn[] {
  const bar = (start: number, end: number, fill: string): Drawn => ({
    type: 'rect',
    shape: {
      x: x(Math.max(from, start)),
      y: y - STRIP / 2,
      width: Math.max(1, x(Math.min(to, end)) - x(Math.max(from, start))),
      height: STRIP,
    },
    style: { fill },
  })
  const { stretches } = upstream.conditions
  if (stretches.length > 0) {
    return stretches.map(({ condition, fromMs, toMs }) => bar(fromMs, toMs, conditionColour(condition)))
  }
  const { seriesFromMs, bucketMs } = findings.time
  const { arrivals } = upstream.traffic.series
  return nothingOf(upstream.traffic).map((count, column) => {
    const arrived = arrivals[column] ?? 0
    const share = arrived === 0 ? 0 : count / arrived
    const step = SHARES.findLastIndex((edge) => share >= edge) + 1
    const start = seriesFromMs + column * bucketMs
    const fill = step === 0 ? (arrived === 0 ? 'var(--rule)' : 'var(--is-healthy)') : `var(--heat-${step})`
    return bar(start, start + bucketMs, fill)
  })
}

function frame(
  worst: NonNullable<Findings['worst']>,
  place: (x: number, y: number) => [number, number],
  from: number,
  to: number,
  rows: number,
): Drawn {
  const x = place(Math.max(from, worst.fromMs), 0)[0]
  const end = place(Math.min(to, worst.toMs), 0)[0]
  return {
    type: 'rect',
    shape: { x: x - 1, y: 4, width: end - x + 2, height: rows * ROW, r: 3 },
    style: { fill: 'none', stroke: 'var(--ink)', lineWidth: 1, lineDash: [3, 3] },
  }
}
