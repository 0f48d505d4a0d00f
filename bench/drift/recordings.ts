/**
 * The data folder's series as calls in real time, an hour for an hour: a detector's minutes and half hours mean what
 * they mean in operation. Each function says what it makes up.
 */
import { seeded } from '../../src/core/random.ts'
import { outside, type Part, type Recording, type Span } from './recording.ts'
import {
  agentCalls,
  dependencyLatency,
  nab,
  nezha,
  type AgentCall,
  type FaultedService,
  type Series,
} from './series.ts'
import { gaussian } from './synthetic.ts'

/** Of each series, taken to be healthy, learned from and not scored (as the NAB benchmark does). */
const PROBATION = 0.15
const CALLS_PER_SECOND = 2
/** Spread of the calls inside a point, as the logarithm's deviation: the middle of the synthetic shapes. */
const SPREAD = 0.5
const MEDIAN_MS = 100
const MOST_CALLS_PER_SECOND = 20
/** Drawing logarithms 60 million times is what would take the time. */
const LUCKS = 65_536
const luck = lucks()
const DAY_SECONDS = 86_400
const FAULT_SECONDS = 90
const LEAST_CALLS = 20
const NEZHA_PROBATION_SECONDS = 120
const NORMAL_Q95 = 1.645

/** Odd files and first days are tuned on; even files and second days are held out. */
export function labelledRecordings(data: string): Recording[] {
  const days = new Map<string, string>()
  for (const { name } of nezha(data)) {
    const [system, day] = name.split('/') as [string, string]
    if (!days.has(system)) days.set(system, day)
  }
  return [
    ...dependencyLatency(data).map((series, index) => ofSeries(series, 'dependencyLatency', partOf(index))),
    ...nab(data).map((series, index) => ofSeries(series, 'nab', partOf(index))),
    ...nezha(data).map((service) => {
      const [system, day] = service.name.split('/') as [string, string]
      return ofService(service, days.get(system) === day ? 'tuning' : 'heldOut')
    }),
  ]
}

const partOf = (index: number): Part => (index % 2 === 0 ? 'tuning' : 'heldOut')

/**
 * Two calls a second, lognormal around the point's value (scaled so that the healthy median is 100 ms): nothing is
 * known of the spread inside a point. A zero is a time without calls.
 */
function ofSeries(series: Series, set: 'dependencyLatency' | 'nab', part: Part): Recording {
  const { values, stepSeconds } = series
  const probation = Math.floor(values.length * PROBATION)
  const healthy = values.slice(0, probation).filter((value) => value > 0)
  const median = healthy.toSorted((a, b) => a - b)[healthy.length >> 1]!
  const labelled = series.events
    .filter(([first]) => first >= probation)
    // One point early allowed: a label is as precise as its points.
    .map(([first, last]) => ({ from: (first - 1) * stepSeconds, to: (last + 1) * stepSeconds }))
  const seconds = values.length * stepSeconds
  return {
    set,
    name: series.name,
    part,
    stepSeconds,
    probationSeconds: probation * stepSeconds,
    events: labelled,
    decoys: [],
    healthy: outside(labelled, probation * stepSeconds, seconds),
    seconds,
    play(each) {
      const random = seeded(seedOf(series.name))
      const calls: number[] = []
      for (const [point, value] of values.entries()) {
        const ms = (MEDIAN_MS * value) / median
        const count = value > 0 ? CALLS_PER_SECOND : 0
        for (let second = 1; second <= stepSeconds; second++) {
          calls.length = 0
          for (let call = 0; call < count; call++) calls.push(ms * luck[(random() * LUCKS) | 0]!)
          each(point * stepSeconds + second, calls)
        }
      }
    },
  }
}

/**
 * Ten-second summaries become calls again: lognormal through the recorded median and p95, at the recorded rate up
 * to 20 a second, the breaks between the recorded experiments included. To be found: CPU faults injected into the
 * service itself (90 s, with calls on both sides). Decoys: return and exception faults of it, where latency has no
 * reason to move. The minute and a half before any fault is healthy.
 */
function ofService(service: FaultedService, part: Part): Recording {
  const { slices } = service
  const start = slices[0]?.atSeconds ?? 0
  const calls = (from: number, to: number): number =>
    slices.reduce((sum, it) => sum + (it.atSeconds >= from && it.atSeconds < to ? it.calls : 0), 0)
  const own = service.faults.filter(
    ({ own: mine, atSeconds }) =>
      mine &&
      calls(atSeconds - FAULT_SECONDS, atSeconds) >= LEAST_CALLS &&
      calls(atSeconds, atSeconds + FAULT_SECONDS) >= LEAST_CALLS,
  )
  const span = (atSeconds: number): Span => ({
    from: atSeconds - start,
    to: atSeconds - start + FAULT_SECONDS,
  })
  const recorded = (from: number, to: number): Span[] =>
    slices
      .filter((it) => it.atSeconds >= from && it.atSeconds < to)
      .map((it) => ({ from: it.atSeconds - start, to: it.atSeconds - start + 10 }))
  return {
    set: 'nezha',
    name: service.name,
    part,
    stepSeconds: 10,
    probationSeconds: NEZHA_PROBATION_SECONDS,
    events: own.filter(({ type }) => type.startsWith('cpu')).map(({ atSeconds }) => span(atSeconds)),
    decoys: own
      .filter(({ type }) => !type.startsWith('cpu') && type !== 'network_delay')
      .map(({ atSeconds }) => span(atSeconds)),
    healthy: service.faults.flatMap(({ atSeconds }) => recorded(atSeconds - FAULT_SECONDS, atSeconds)),
    seconds: (slices.at(-1)?.atSeconds ?? start) + 10 - start,
    play(each) {
      const normal = gaussian(seeded(seedOf(service.name)))
      const out: number[] = []
      let second = 0
      for (const slice of slices) {
        out.length = 0
        while (second < slice.atSeconds - start) each(++second, out)
        const sigma = Math.max(Math.log(slice.p95 / slice.p50) / NORMAL_Q95, 0.01)
        const perSecond = Math.min(slice.calls / 10, MOST_CALLS_PER_SECOND)
        let owed = 0
        for (let within = 0; within < 10; within++) {
          out.length = 0
          for (owed += perSecond; owed >= 1; owed--) out.push(slice.p50 * Math.exp(normal() * sigma))
          each(++second, out)
        }
      }
    },
  }
}

/** A real agent call as the upstream's proxy sees it end. */
export interface SessionDay {
  readonly part: Part
  readonly seconds: number
  readonly calls: readonly { readonly call: AgentCall; readonly doneMs: number }[]
}

/**
 * Real agent calls, nothing labelled, taken as healthy: the sessions of a part (even and odd numbers) start at random
 * times of half a day, so that about one call in two seconds arrives. One day per seed.
 */
export function sessionDays(data: string, seeds: readonly number[]): SessionDay[] {
  const all = agentCalls(data)
  const seconds = DAY_SECONDS / 2
  return (['tuning', 'heldOut'] as const).flatMap((part) => {
    const calls = all.filter((call) => partOf(Number(call.session)) === part)
    return seeds.map((seed) => {
      const random = seeded(seed)
      const starts = new Map<string, number>()
      const placed = calls.map((call) => {
        let start = starts.get(call.session)
        if (start === undefined) starts.set(call.session, (start = random() * seconds))
        return { call, doneMs: ((start + call.atSeconds) % seconds) * 1000 + call.ms }
      })
      return { part, seconds, calls: placed.toSorted((a, b) => a.doneMs - b.doneMs) }
    })
  })
}

/** Series differ in their luck. */
function seedOf(name: string): number {
  let seed = 1
  for (let at = 0; at < name.length; at++) seed = (seed * 31 + name.charCodeAt(at)) | 0
  return seed >>> 0
}

function lucks(): Float64Array {
  const normal = gaussian(seeded(2))
  return Float64Array.from({ length: LUCKS }, () => Math.exp(normal() * SPREAD))
}
