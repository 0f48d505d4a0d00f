/** Retries of agents over time, darker where there are more; on top how many agents retried in each column. */
import type { Findings } from '../findings.ts'
import type { Stretch } from '../conditions.ts'
import type { HeatFindings } from '../retry-heat.ts'
import { conditionColour, SHADED } from './condition-look.ts'
import { shortName } from './short-name.ts'
import { layer, NARROW, type Chart, type Drawn } from './svg-chart.ts'
import { LABEL, margins, timeAxis, timeEnds } from './time-axis.ts'

const ROW = 15
const HEAD = 56
const STEPS = 6
/** On a telephone. */
export const NARROW_ROWS = 12

/** Upper edges of the steps but the last: growing by a factor, so that one retry and fifty can both be seen. */
export function heatEdges(heat: HeatFindings): readonly number[] {
  const most = Math.max(1, Math.round(Math.max(...heat.rows.flatMap(({ cells }) => cells))))
  const edges: number[] = []
  for (let step = 1; step < STEPS; step++) {
    const edge = Math.max((edges.at(-1) ?? 0) + 1, Math.round(most ** (step / STEPS)))
    if (edge < most) edges.push(edge)
  }
  return edges
}

/** 0 = none, then 1 to `STEPS`, the last one for the most. */
export function heatStep(count: number, edges: readonly number[]): number {
  if (count < 0.25) return 0
  const step = edges.findIndex((edge) => count < edge + 0.5)
  return heatColour(step === -1 ? edges.length : step, edges)
}

/** Few steps use the colours that are far apart. */
export function heatColour(step: number, edges: readonly number[]): number {
  return edges.length === 0 ? 4 : 1 + Math.round((step * (STEPS - 1)) / edges.length)
}

export function heatChart(
  findings: Findings,
  heat: HeatFindings,
  stretches: readonly Stretch[],
  width: number,
): Chart {
  const { left, right } = margins(width)
  const { from, to } = timeEnds(findings)
  const rows = heat.rows.slice(0, width <= NARROW ? NARROW_ROWS : heat.rows.length)
  const folded = foldedRow(heat, rows.length)
  const shown = folded === undefined ? rows : [...rows, folded]
  const edges = heatEdges(heat)
  const { bucketMs } = findings.time
  const most = Math.max(1, ...heat.distinct)
  const body = shown.length * ROW
  return {
    height: HEAD + body + 30,
    option: {
      grid: { left, right, top: HEAD, height: body },
      xAxis: timeAxis(findings, width),
      yAxis: {
        type: 'category',
        inverse: true,
        data: shown.map(({ agent }) => agent),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: {
          ...LABEL,
          fontSize: 10.5,
          interval: 0,
          formatter: (name: string) => shortName(name, width <= NARROW ? 9 : 18),
        },
      },
      series: [
        layer((place) => {
          const drawn: Drawn[] = []
          for (const [row, { cells }] of shown.entries()) {
            const y = place(from, row)[1] - ROW / 2
            for (const run of runsOf(cells.map((count) => heatStep(count, edges)))) {
              const x = place(from + run.from * bucketMs, row)[0]
              const end = place(from + run.to * bucketMs, row)[0]
              drawn.push({
                type: 'rect',
                shape: { x, y: y + 0.5, width: end - x, height: ROW - 1 },
                style: { fill: run.step === 0 ? 'var(--cell)' : `var(--heat-${run.step})` },
              })
            }
          }
          drawn.push(...distinctBars(heat.distinct, most, bucketMs, from, (at) => place(at, 0)[0]))
          drawn.push(...conditionLine(stretches, from, to, (at) => place(at, 0)[0]))
          drawn.push(note(`${most}`, left - 8, 14), note('agents', left - 8, 27))
          return drawn
        }),
      ],
    },
  }
}

/** Those that have no row of their own here. */
function foldedRow(
  heat: HeatFindings,
  rows: number,
): { agent: string; cells: readonly number[] } | undefined {
  const agents = heat.agents - rows
  if (agents <= 0) return undefined
  const cells = heat.others.cells.map((count, column) =>
    heat.rows.slice(rows).reduce((sum, row) => sum + row.cells[column]!, count),
  )
  // As many retries as one of them has, so that a crowd does not look like one wild agent.
  return { agent: `${agents} more`, cells: cells.map((count) => count / agents) }
}

interface Run {
  readonly step: number
  readonly from: number
  to: number
}

function runsOf(steps: readonly number[]): Run[] {
  const runs: Run[] = []
  for (const [column, step] of steps.entries()) {
    const last = runs.at(-1)
    if (last !== undefined && last.step === step) last.to = column + 1
    else runs.push({ step, from: column, to: column + 1 })
  }
  return runs
}

function distinctBars(
  distinct: readonly number[],
  most: number,
  bucketMs: number,
  from: number,
  x: (at: number) => number,
): Drawn[] {
  const tall = HEAD - 20
  return distinct.flatMap((count, column) => {
    if (count === 0) return []
    const start = x(from + column * bucketMs)
    const height = Math.max(1, (count / most) * tall)
    return [
      {
        type: 'rect' as const,
        shape: {
          x: start,
          y: 8 + tall - height,
          width: Math.max(1, x(from + (column + 1) * bucketMs) - start - 1),
          height,
        },
        style: { fill: 'var(--heat-4)' },
      },
    ]
  })
}

function conditionLine(
  stretches: readonly Stretch[],
  from: number,
  to: number,
  x: (at: number) => number,
): Drawn[] {
  return stretches
    .filter(({ condition }) => SHADED.has(condition))
    .map(({ condition, fromMs, toMs }) => {
      const start = x(Math.max(from, fromMs))
      return {
        type: 'rect',
        shape: { x: start, y: HEAD - 9, width: Math.max(1, x(Math.min(to, toMs)) - start), height: 5 },
        style: { fill: conditionColour(condition) },
      }
    })
}

function note(text: string, x: number, y: number): Drawn {
  return {
    type: 'text',
    style: { text, x, y, align: 'right', verticalAlign: 'middle', fill: 'var(--muted)', fontSize: 10.5 },
  }
}
