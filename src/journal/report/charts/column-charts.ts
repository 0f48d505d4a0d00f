/** Stacked columns and lines over time: how calls ended, attempts per success, what Weir did. */
import type { Findings } from '../findings.ts'
import { sayCount } from '../say.ts'
import { layer, type Chart, type Drawn } from './svg-chart.ts'
import { LABEL, margins, RULE, timeAxis, timeEnds } from './time-axis.ts'

export interface Series {
  readonly name: string
  readonly colour: string
  readonly values: readonly (number | null)[]
}

const HEIGHT = 190
/** What a line is cut off at: with few successes the ratio goes to the sky, and flattens all the rest. */
export const HIGHEST_RATIO = 10

/** Counts on top of each other, by column. */
export function stackedColumns(findings: Findings, series: readonly Series[], width: number): Chart {
  const { from } = timeEnds(findings)
  const { bucketMs, columns } = findings.time
  const sums = Array.from({ length: columns }, (_, column) =>
    series.reduce((sum, { values }) => sum + (values[column] ?? 0), 0),
  )
  const ticks = countTicks(Math.max(1, ...sums))
  return {
    height: HEIGHT,
    option: {
      grid: { ...margins(width), top: 10, bottom: 28 },
      xAxis: timeAxis(findings, width),
      yAxis: countAxis(ticks),
      series: [
        layer((place) => {
          const drawn: Drawn[] = []
          for (let column = 0; column < columns; column++) {
            const x = place(from + column * bucketMs, 0)[0]
            const end = place(from + (column + 1) * bucketMs, 0)[0]
            let under = 0
            for (const { values, colour } of series) {
              const value = values[column] ?? 0
              if (value === 0) continue
              const bottom = place(from, under)[1]
              const top = place(from, under + value)[1]
              under += value
              drawn.push({
                type: 'rect',
                shape: {
                  x,
                  y: top,
                  width: Math.max(0.8, end - x - (end - x > 4 ? 1 : 0)),
                  height: bottom - top,
                },
                style: { fill: colour },
              })
            }
          }
          return drawn
        }),
      ],
    },
  }
}

/** Ratios from 1 on, one line each. */
export function ratioLines(findings: Findings, series: readonly Series[], width: number): Chart {
  const { seriesFromMs, bucketMs } = findings.time
  const highest = Math.min(
    HIGHEST_RATIO,
    Math.max(1.5, ...series.flatMap(({ values }) => values.map((value) => value ?? 0))),
  )
  return {
    height: HEIGHT,
    option: {
      grid: { ...margins(width), top: 10, bottom: 28 },
      xAxis: timeAxis(findings, width),
      yAxis: countAxis(ratioTicks(highest)),
      series: [
        layer((place) =>
          series.flatMap(({ colour, values }) =>
            stepsOf(values).map((points): Drawn => ({
              type: 'polyline',
              shape: {
                points: points.map(([edge, value]) =>
                  place(seriesFromMs + edge * bucketMs, Math.min(highest, Math.max(1, value))),
                ),
              },
              style: { fill: 'none', stroke: colour, lineWidth: 2, lineJoin: 'round' },
            })),
          ),
        ),
      ],
    },
  }
}

/** A line that is level over each column, in pieces where there is no value: edges of columns, and values. */
function stepsOf(values: readonly (number | null)[]): (readonly [number, number])[][] {
  const pieces: (readonly [number, number])[][] = []
  let isOpen = false
  for (const [column, value] of values.entries()) {
    if (value === null) isOpen = false
    else {
      if (!isOpen) pieces.push([])
      isOpen = true
      pieces.at(-1)?.push([column, value], [column + 1, value])
    }
  }
  return pieces
}

/** How many of each, on an axis of bins. */
export function binColumns(
  bins: readonly { readonly name: string; readonly count: number }[],
  width: number,
  colour: string,
): Chart {
  return {
    height: 150,
    option: {
      grid: { left: 46, right: 8, top: 10, bottom: 26 },
      xAxis: {
        type: 'category',
        data: bins.map(({ name }) => name),
        axisLine: { lineStyle: RULE },
        axisTick: { show: false },
        axisLabel: { ...LABEL, fontSize: 11, hideOverlap: true, interval: bins.length * 34 > width ? 1 : 0 },
      },
      yAxis: countAxis(countTicks(Math.max(1, ...bins.map(({ count }) => count)))),
      series: [
        {
          type: 'bar',
          silent: true,
          barWidth: '72%',
          // A single workflow among thousands is the one to look for.
          barMinHeight: 2,
          itemStyle: { color: colour },
          emphasis: { disabled: true },
          data: bins.map(({ count }) => (count === 0 ? '-' : count)),
        },
      ],
    },
  }
}

function countAxis(ticks: readonly number[]): object {
  return {
    type: 'value',
    min: ticks[0],
    max: ticks.at(-1),
    interval: (ticks[1] ?? 1) - (ticks[0] ?? 0),
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: RULE },
    axisLabel: { ...LABEL, formatter: (value: number) => sayCount(value) },
  }
}

/** Three to five steps of a round size, from 0. */
function countTicks(most: number): readonly number[] {
  const rough = most / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = Math.max(1, [1, 2, 5, 10].map((digit) => digit * power).find((size) => size >= rough) ?? rough)
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, index) => index * step)
}

/** From 1, which is the best there is. */
function ratioTicks(most: number): readonly number[] {
  const step = most <= 2 ? 0.25 : most <= 3 ? 0.5 : most <= 5 ? 1 : 3
  return Array.from({ length: Math.ceil((most - 1) / step) + 1 }, (_, index) => 1 + index * step)
}
