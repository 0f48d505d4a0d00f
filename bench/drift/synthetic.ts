/**
 * A synthetic upstream in virtual time: Poisson calls whose latency is lognormal with a tenth of the calls five
 * times slower, multiplied by noise that all calls of a moment share (AR(1), 20 s memory) and by a daily wave of
 * 10 %. Calls are judged by DriftDetector exactly as the coordinator drives it: overdue check, tick once a second.
 */
import { DriftDetector, type DriftState } from '../../src/core/detect/drift.ts'
import { seeded, type Random } from '../../src/core/random.ts'
import type { DriftThresholds } from '../../src/core/policy.ts'

export const usualThresholds: DriftThresholds = {
  allowance: 0.25,
  slowAlarm: 20,
  fastAlarm: 25,
  slowEffect: 1.25,
  fastEffect: 0.8,
  errorAlarm: 11.5,
  warmUpSamples: 200,
  warmUpMs: 60_000,
  clearMs: 30_000,
}

export interface Upstream {
  readonly medianMs: number
  readonly sigma: number
  readonly noise: number
  readonly ratePerSecond: number
  readonly seed: number
}

/** From calm to rough, as algorithms.md simulated. */
export const shapes = [
  { sigma: 0.3, noise: 0.05 },
  { sigma: 0.6, noise: 0.08 },
  { sigma: 1, noise: 0.12 },
] as const

interface OpenCall {
  startedMs: number
  doneMs: number
  stratum: number
  prepaid: boolean
}

export interface Watch {
  /** Factor on latency at a time in ms. */
  readonly factor?: (atMs: number) => number
  /** Called after each tick; true ends the run. */
  readonly seen: (atMs: number, state: DriftState, detector: DriftDetector) => boolean
}

export function drive(upstream: Upstream, seconds: number, watch: Watch): void {
  const random = seeded(upstream.seed)
  const normal = gaussian(random)
  const detector = new DriftDetector(usualThresholds, 0)
  const open: OpenCall[] = []
  const pool: OpenCall[] = []
  const keep = Math.exp(-1 / 20)
  const fresh = upstream.noise * Math.sqrt(1 - keep * keep)
  let shared = normal() * upstream.noise
  for (let second = 0; second < seconds; second++) {
    const now = (second + 1) * 1000
    shared = shared * keep + normal() * fresh
    const wave = 1 + 0.1 * Math.sin((2 * Math.PI * second) / 86_400)
    for (let at = second * 1000 + gap(random, upstream); at < now; at += gap(random, upstream)) {
      const tail = random() < 0.1 ? 5 : 1
      const factor = watch.factor?.(at) ?? 1
      const ms = upstream.medianMs * Math.exp(normal() * upstream.sigma + shared) * tail * wave * factor
      const call = pool.pop() ?? { startedMs: 0, doneMs: 0, stratum: 0, prepaid: false }
      call.startedMs = at
      call.doneMs = at + ms
      call.stratum = detector.stratum(0, 1000)
      call.prepaid = false
      open.push(call)
    }
    for (let index = open.length - 1; index >= 0; index--) {
      const call = open[index]!
      if (call.doneMs <= now) {
        detector.sample(call.stratum, call.doneMs - call.startedMs, call.doneMs, call.prepaid)
        detector.outcome(0, call.doneMs)
        open[index] = open[open.length - 1]!
        open.pop()
        pool.push(call)
      } else if (!call.prepaid && detector.overdue(call.stratum, now - call.startedMs)) {
        call.prepaid = true
        detector.prepay(call.stratum)
      }
    }
    const state = detector.tick(now, true)
    if (watch.seen(now, state, detector)) return
  }
}

function gap(random: Random, upstream: Upstream): number {
  return (-Math.log(1 - random()) * 1000) / upstream.ratePerSecond
}

export function gaussian(random: Random): Random {
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}
