/** The axis that all charts over time share: the same left and right edge, the same ticks. Units: ms since the epoch. */
import type { Millis } from '../../../core/model.ts'
import type { Findings } from '../findings.ts'
import { NARROW } from './svg-chart.ts'

const STEPS: readonly Millis[] = [
  1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000,
  7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000, 2_592_000_000,
  31_536_000_000,
]
const DAY: Millis = 86_400_000

export const LABEL = { color: 'var(--muted)', fontSize: 12 } as const
export const RULE = { color: 'var(--rule)', width: 1 } as const

export interface Margins {
  readonly left: number
  readonly right: number
}

/** Room for the names of rows or the numbers of the other axis. */
export function margins(width: number): Margins {
  return width <= NARROW ? { left: 62, right: 8 } : { left: 118, right: 18 }
}

export function timeEnds({ time }: Pick<Findings, 'time'>): { from: Millis; to: Millis } {
  const from = time.seriesFromMs
  return { from, to: from + Math.max(1, time.columns) * time.bucketMs }
}

export function timeAxis(findings: Pick<Findings, 'time'>, width: number, isShown = true): object {
  const { from, to } = timeEnds(findings)
  const { left, right } = margins(width)
  const ticks = ticksOf(from, to, (width - left - right) / (width <= NARROW ? 70 : 84))
  const step = (ticks[1] ?? to) - (ticks[0] ?? from)
  return {
    type: 'value',
    min: from,
    max: to,
    show: isShown,
    axisLine: { show: true, lineStyle: RULE },
    axisTick: { show: true, customValues: ticks, lineStyle: RULE },
    splitLine: { show: false },
    axisLabel: {
      ...LABEL,
      customValues: ticks,
      hideOverlap: true,
      formatter: (at: number) => tickText(at, step, to - from),
    },
  }
}

/** Instants of the ticks, whole multiples of a round step; at most `most` of them. */
export function ticksOf(from: Millis, to: Millis, most: number): readonly Millis[] {
  const step = STEPS.find((wide) => (to - from) / wide <= most) ?? STEPS.at(-1)!
  const ticks: Millis[] = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at)
  return ticks
}

function tickText(at: Millis, step: Millis, span: Millis): string {
  const text = new Date(at).toISOString()
  if (step >= DAY) return text.slice(5, 10)
  if (span > 2 * DAY) return `${text.slice(5, 10)} ${text.slice(11, 16)}`
  return step >= 60_000 ? text.slice(11, 16) : text.slice(11, 19)
}
