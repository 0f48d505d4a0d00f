/** Feeds recorded series to DriftDetector in virtual time; each function says what it assumes. */
import { DriftDetector, type DriftState } from '../../src/core/detect/drift.ts'
import { seeded } from '../../src/core/random.ts'
import type { AgentCall, FaultedService, Series } from './series.ts'
import { gaussian, usualThresholds } from './synthetic.ts'

const POINT_SECONDS = 30
const CALLS_PER_SECOND = 2
const MOST_CALLS_PER_SECOND = 20

const alarming = (state: DriftState): boolean => state === 'slow' || state === 'fast'

/**
 * A point of an hourly or five-minute series becomes 30 s of virtual time, one batch of the detector's variance
 * inflation, with two calls a second that all took the point's value (scaled so that the healthy median is 100 ms).
 * Nothing is known of the spread inside a point; the inflation finds by itself that 60 equal calls are worth one.
 * So 60 points stand where the detector's half hours stand. A zero is an hour without calls. Returns the points at which it began to alarm.
 */
export function alarmsOfSeries(series: Series, healthyMedian: number): number[] {
  const detector = new DriftDetector(usualThresholds, 0)
  const stratum = detector.stratum(0, -1)
  const alarms: number[] = []
  let before: DriftState = 'healthy'
  for (const [point, value] of series.values.entries()) {
    const ms = (100 * value) / healthyMedian
    const calls = value > 0 ? CALLS_PER_SECOND : 0
    for (let second = 1; second <= POINT_SECONDS; second++) {
      const now = (point * POINT_SECONDS + second) * 1000
      for (let call = 0; call < calls; call++) detector.sample(stratum, ms, now, false)
      const state = detector.tick(now, true)
      if (alarming(state) && !alarming(before)) alarms.push(point)
      before = state
    }
  }
  return alarms
}

/**
 * Ten-second summaries become calls again: lognormal through the recorded median and p95, at the recorded rate up
 * to 20 a second, in real time, the breaks between the recorded experiments included. Returns the recorded times in s
 * at which it began to alarm.
 */
export function alarmsOfService(service: FaultedService): number[] {
  const detector = new DriftDetector(usualThresholds, 0)
  const stratum = detector.stratum(0, -1)
  const random = seeded(1)
  const normal = gaussian(random)
  const alarms: number[] = []
  let before: DriftState = 'healthy'
  let now = 0
  let recorded = service.slices[0]?.atSeconds ?? 0
  for (const slice of service.slices) {
    for (; recorded < slice.atSeconds; recorded++) detector.tick((now += 1000), true)
    const sigma = Math.max(Math.log(slice.p95 / slice.p50) / 1.645, 0.01)
    const perSecond = Math.min(slice.calls / 10, MOST_CALLS_PER_SECOND)
    let owed = 0
    for (let second = 0; second < 10; second++) {
      now += 1000
      for (owed += perSecond; owed >= 1; owed--) {
        detector.sample(stratum, slice.p50 * Math.exp(normal() * sigma), now, false)
      }
      const state = detector.tick(now, true)
      if (alarming(state) && !alarming(before)) alarms.push(slice.atSeconds + second + 1)
      before = state
    }
    recorded = slice.atSeconds + 10
  }
  return alarms
}

/**
 * Real agent calls, nothing labelled, taken as healthy: each session starts at a random time of one virtual day, so
 * that about one call in two seconds arrives. Returns the number of alarms by side.
 */
export function alarmsOfAgents(calls: readonly AgentCall[], bySize: boolean): { slow: number; fast: number } {
  const random = seeded(3)
  const starts = new Map<string, number>()
  const ordered = calls
    .map((call) => {
      let start = starts.get(call.session)
      if (start === undefined) starts.set(call.session, (start = random() * 86_400))
      return { call, doneMs: ((start + call.atSeconds) % 86_400) * 1000 + call.ms }
    })
    .toSorted((a, b) => a.doneMs - b.doneMs)
  const detector = new DriftDetector(usualThresholds, 0)
  const found = { slow: 0, fast: 0 }
  let before: DriftState = 'healthy'
  let next = 0
  for (let second = 1; second <= 86_400; second++) {
    for (; next < ordered.length && ordered[next]!.doneMs <= second * 1000; next++) {
      const { call, doneMs } = ordered[next]!
      const stratum = detector.stratum(0, bySize ? call.bytes : -1, call.streamed)
      detector.sample(stratum, call.ms, doneMs, false)
      detector.outcome(0, doneMs)
    }
    const state = detector.tick(second * 1000, true)
    if (state !== before && (state === 'slow' || state === 'fast')) found[state]++
    before = state
  }
  return found
}
