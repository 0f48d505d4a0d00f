/**
 * The synthetic upstream (synthetic.ts): false alarms a day, delay after a step, lead on a ramp. The detector has
 * known it for three hours before a step; after one hour, a step at 2 calls a second takes about 2 s more.
 */
import { median, round } from './score.ts'
import { drive, shapes } from './synthetic.ts'

const MEDIAN_MS = 400
const RATES = [2, 20, 100] as const
const CALM_SECONDS = 3 * 3600
const NEVER_SECONDS = 900

type Rate = (typeof RATES)[number]

export function falseAlarms(smoke: boolean): Record<string, unknown> {
  const byRate: Record<string, unknown> = {}
  for (const rate of RATES) {
    const days = smoke ? 0.05 : { 2: 32, 20: 4, 100: 1 }[rate]
    const counts = { slow: 0, fast: 0, watch: 0 }
    for (const [index, shape] of shapes.entries()) {
      let before = 'healthy'
      drive({ medianMs: MEDIAN_MS, ...shape, ratePerSecond: rate, seed: rate * 10 + index }, 86_400 * days, {
        seen: (_at, state) => {
          if (state !== before && state !== 'healthy') counts[state]++
          before = state
          return false
        },
      })
    }
    const perDay = (count: number): number => round(count / (days * shapes.length))
    byRate[`rps${rate}`] = {
      slow: perDay(counts.slow),
      fast: perDay(counts.fast),
      watch: perDay(counts.watch),
    }
  }
  return byRate
}

export function steps(smoke: boolean): Record<string, unknown> {
  const byRate: Record<string, unknown> = {}
  for (const rate of RATES) {
    const of = (factor: number): number => {
      const start = CALM_SECONDS * 1000
      return median(trials(rate, smoke, (at) => (at >= start ? factor : 1), factor > 1 ? 'slow' : 'fast'))
    }
    byRate[`rps${rate}`] = { x2: of(2), ...(smoke ? {} : { x1_5: of(1.5), x4: of(4), x0_6: of(0.6) }) }
  }
  return byRate
}

/** Lead = the time between the alarm and six times the latency, on a ramp from 1 to 8 times. */
export function ramps(smoke: boolean): Record<string, unknown> {
  const byRate: Record<string, unknown> = {}
  for (const rate of RATES) {
    const of = (seconds: number): number => {
      const rise = (at: number): number =>
        1 + 7 * Math.min(Math.max(at / 1000 - CALM_SECONDS, 0) / seconds, 1)
      return round((seconds * 5) / 7 - median(trials(rate, smoke, rise, 'slow')))
    }
    byRate[`rps${rate}`] = { ramp120: of(120), ...(smoke ? {} : { ramp60: of(60), ramp600: of(600) }) }
  }
  return byRate
}

/** Seconds from the end of the calm to the alarm, one per trial; 900 = none within 15 minutes. */
function trials(rate: Rate, smoke: boolean, factor: (at: number) => number, wanted: string): number[] {
  const each = smoke ? 1 : { 2: 40, 20: 15, 100: 5 }[rate]
  const delays: number[] = []
  for (const [index, shape] of shapes.entries()) {
    for (let trial = 0; trial < each; trial++) {
      let delay = NEVER_SECONDS
      const seed = 7000 + rate * 1000 + index * 100 + trial
      const upstream = { medianMs: MEDIAN_MS, ...shape, ratePerSecond: rate, seed }
      drive(upstream, CALM_SECONDS + NEVER_SECONDS, {
        factor,
        seen: (at, state) => {
          if (at <= CALM_SECONDS * 1000 || state !== wanted) return false
          delay = at / 1000 - CALM_SECONDS
          return true
        },
      })
      delays.push(delay)
    }
  }
  return delays
}
