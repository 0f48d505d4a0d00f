/**
 * What drift detection is worth: false alarms a day, delay after a step, lead on a ramp, on a synthetic upstream
 * (drift/synthetic.ts); and precision and recall beside three textbook detectors on labelled real series
 * (drift/feed.ts says how a sparse series is driven). Everything runs in virtual time from fixed seeds: the figures
 * repeat to the digit on any machine.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { alarmsOfAgents, alarmsOfSeries, alarmsOfService } from './drift/feed.ts'
import { agentCalls, dependencyLatency, nab, nezha, present, type Series } from './drift/series.ts'
import { drive, shapes } from './drift/synthetic.ts'
import { adwin } from './rivals/adwin.ts'
import { ewma } from './rivals/ewma.ts'
import { pageHinkley } from './rivals/page-hinkley.ts'
import type { Rival } from './rivals/rival.ts'

const DATA = resolve(fileURLToPath(import.meta.url), '../../../shared/data')
const MEDIAN_MS = 400
const RATES = [2, 20, 100] as const
const CALM_SECONDS = 3600
/** Of each series, taken to be healthy, learned from and not scored (as the NAB benchmark does). */
const PROBATION = 0.15

const RIVALS: Readonly<Record<string, (healthy: readonly number[]) => Rival>> = { pageHinkley, adwin, ewma }

export async function run(options: { smoke: boolean; data?: string }): Promise<Record<string, unknown>> {
  const data = options.data ?? DATA
  const figures: Record<string, unknown> = {
    falseAlarmsPerDay: falseAlarms(options.smoke),
    delaySeconds: steps(options.smoke),
    leadSeconds: ramps(options.smoke),
  }
  if (!present(data)) {
    figures['labelled'] = `no data at ${data}: only the synthetic upstream was judged`
    return figures
  }
  const agents = agentCalls(data)
  figures['realAgentsFalseAlarmsPerDay'] = {
    calls: agents.length,
    bySize: alarmsOfAgents(agents, true),
    sizeIgnored: alarmsOfAgents(agents, false),
  }
  const sparse = { dependencyLatency: dependencyLatency(data), nab: nab(data) }
  const kept = options.smoke ? 1 : Number.POSITIVE_INFINITY
  const labelled: Record<string, Record<string, unknown>> = {}
  for (const detector of ['weir', ...Object.keys(RIVALS)]) {
    const all = new Score()
    const parts: Record<string, unknown> = {}
    for (const [name, list] of Object.entries(sparse)) {
      const score = new Score()
      for (const series of list.slice(0, kept)) judgeSeries(detector, series, [score, all])
      parts[name] = score.figures()
    }
    const faults = new Score()
    const healthy = judgeFaults(detector, data, kept, [faults, all])
    parts['nezha'] = { ...faults.figures(), ...healthy }
    labelled[detector] = { ...all.figures(), ...parts }
  }
  figures['labelled'] = labelled
  return figures
}

function falseAlarms(smoke: boolean): Record<string, unknown> {
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

function steps(smoke: boolean): Record<string, unknown> {
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
function ramps(smoke: boolean): Record<string, unknown> {
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

/** Seconds from the end of the calm hour to the alarm, one per trial; 900 = none within 15 minutes. */
function trials(
  rate: (typeof RATES)[number],
  smoke: boolean,
  factor: (at: number) => number,
  wanted: string,
): number[] {
  const each = smoke ? 1 : { 2: 40, 20: 15, 100: 5 }[rate]
  const delays: number[] = []
  for (const [index, shape] of shapes.entries()) {
    for (let trial = 0; trial < each; trial++) {
      let delay = 900
      const seed = 7000 + rate * 1000 + index * 100 + trial
      drive({ medianMs: MEDIAN_MS, ...shape, ratePerSecond: rate, seed }, CALM_SECONDS + 900, {
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

/**
 * An event is found when an alarm begins inside it (one point early allowed); an alarm outside all events is false.
 * `leadSeconds`: median time from the first alarm of an event to the event's labelled end.
 */
class Score {
  #events = 0
  #found = 0
  #false = 0
  readonly #leads: number[] = []

  event(found: boolean, leadSeconds: number): void {
    this.#events++
    if (!found) return
    this.#found++
    this.#leads.push(leadSeconds)
  }

  falseAlarms(count: number): void {
    this.#false += count
  }

  figures(): Record<string, number> {
    const precision = this.#found + this.#false > 0 ? this.#found / (this.#found + this.#false) : 0
    const recall = this.#events > 0 ? this.#found / this.#events : 0
    const f1 = precision + recall > 0 ? (2 * precision * recall) / (precision + recall) : 0
    return {
      events: this.#events,
      found: this.#found,
      falseAlarms: this.#false,
      precision: round(precision),
      recall: round(recall),
      f1: round(f1),
      leadSeconds: this.#leads.length > 0 ? round(median(this.#leads)) : 0,
    }
  }
}

function judgeSeries(detector: string, series: Series, scores: readonly Score[]): void {
  const probation = Math.floor(series.values.length * PROBATION)
  const healthy = series.values.slice(0, probation).filter((value) => value > 0)
  const alarms =
    detector === 'weir'
      ? alarmsOfSeries(series, median(healthy))
      : alarmsOfRival(RIVALS[detector]!(series.values.slice(0, probation)), series.values)
  const scored = alarms.filter((point) => point >= probation)
  const events = series.events.filter(([first]) => first >= probation)
  for (const [first, last] of events) {
    const hit = scored.find((point) => point >= first - 1 && point <= last)
    for (const score of scores) score.event(hit !== undefined, (last - (hit ?? last)) * series.stepSeconds)
  }
  const lost = scored.filter(
    (point) => !series.events.some(([first, last]) => point >= first - 1 && point <= last),
  )
  for (const score of scores) score.falseAlarms(lost.length)
}

function alarmsOfRival(rival: Rival, values: readonly number[]): number[] {
  return values.flatMap((value, index) => (rival.push(value) ? [index] : []))
}

/**
 * Positives: CPU faults injected into the service itself (90 s, with calls on both sides). Negatives: return and
 * exception faults of it, where latency has no reason to move. The minute and a half before any fault is healthy.
 */
function judgeFaults(
  detector: string,
  data: string,
  kept: number,
  scores: readonly Score[],
): Record<string, number> {
  let healthySeconds = 0
  let healthyAlarms = 0
  for (const service of nezha(data).slice(0, kept === 1 ? 3 : kept)) {
    const alarms = detector === 'weir' ? alarmsOfService(service) : alarmsOfSlices(detector, service.slices)
    const within = (from: number, to: number): number | undefined =>
      alarms.find((at) => at >= from && at <= to)
    const calls = (from: number, to: number): number =>
      service.slices.reduce((sum, it) => sum + (it.atSeconds >= from && it.atSeconds < to ? it.calls : 0), 0)
    for (const fault of service.faults) {
      const from = fault.atSeconds - 90
      healthySeconds +=
        service.slices.filter((it) => it.atSeconds >= from && it.atSeconds < fault.atSeconds).length * 10
      healthyAlarms += alarms.filter((at) => at >= from && at < fault.atSeconds).length
      if (
        !fault.own ||
        calls(from, fault.atSeconds) < 20 ||
        calls(fault.atSeconds, fault.atSeconds + 90) < 20
      )
        continue
      const hit = within(fault.atSeconds, fault.atSeconds + 90)
      for (const score of scores) {
        if (fault.type.startsWith('cpu')) score.event(hit !== undefined, fault.atSeconds + 90 - (hit ?? 0))
        else if (fault.type !== 'network_delay') score.falseAlarms(hit === undefined ? 0 : 1)
      }
    }
  }
  return {
    healthyHours: round(healthySeconds / 3600),
    healthyAlarmsPerHour: round((healthyAlarms * 3600) / healthySeconds),
  }
}

/** The rivals judge the logarithm of each ten seconds' median; the first twelve are their healthy stretch. */
function alarmsOfSlices(detector: string, slices: readonly { atSeconds: number; p50: number }[]): number[] {
  const values = slices.map((slice) => Math.log(slice.p50))
  const rival = RIVALS[detector]!(values.slice(0, 12))
  return alarmsOfRival(rival, values).map((index) => slices[index]!.atSeconds + 10)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
