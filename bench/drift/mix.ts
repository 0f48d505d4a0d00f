/**
 * Traffic whose mix changes while the upstream stays as it is, and streams whose chunks slow down. Requests have
 * sizes from 2 KB to 500 KB and take longer the larger they are; streams are judged by their first byte. Counted are
 * the runs in which anything was called slow or fast.
 */
import { DriftDetector, type DriftState } from '../../src/core/detect/drift.ts'
import { seeded, type Random } from '../../src/core/random.ts'
import { gaussian, usualThresholds } from './synthetic.ts'
import { median } from './score.ts'

const RUNS = 20
const CALM_SECONDS = 3600
const SHIFTED_SECONDS = 1800
const CALLS_PER_SECOND = 10
const SPREAD = 0.5

interface Mix {
  /** Typical size of a request in bytes. */
  readonly bytes: number
  readonly streams: number
}

const usual: Mix = { bytes: 8_000, streams: 0.2 }
const shifts: Readonly<Record<string, Mix>> = {
  requestsGrow8x: { bytes: 64_000, streams: 0.2 },
  requestsShrink4x: { bytes: 2_000, streams: 0.2 },
  streamsTakeOver: { bytes: 8_000, streams: 0.8 },
}

/** Alarmed runs of 20 for each shift; with sizes and streaming known, as the proxy knows them, and without. */
export function mixShifts(smoke: boolean): Record<string, unknown> {
  const figures: Record<string, unknown> = { runs: smoke ? 2 : RUNS }
  for (const [name, mix] of Object.entries(shifts)) {
    const alarmed = (known: boolean): number => {
      let count = 0
      for (let run = 0; run < (smoke ? 2 : RUNS); run++) if (alarmsInShift(mix, known, 500 + run)) count++
      return count
    }
    figures[name] = { known: alarmed(true), ignored: alarmed(false) }
  }
  return figures
}

function alarmsInShift(mix: Mix, known: boolean, seed: number): boolean {
  const random = seeded(seed)
  const normal = gaussian(random)
  const detector = new DriftDetector(usualThresholds, 0)
  for (let second = 1; second <= CALM_SECONDS + SHIFTED_SECONDS; second++) {
    const now = second * 1000
    const { bytes: typical, streams } = second > CALM_SECONDS ? mix : usual
    for (let call = 0; call < CALLS_PER_SECOND; call++) {
      const bytes = typical * Math.exp(normal() * 0.8)
      const streaming = random() < streams
      // A prompt's length is most of the time to the first byte; the whole answer takes four times as long.
      const ms = (100 + bytes / 40) * (streaming ? 1 : 4) * Math.exp(normal() * SPREAD)
      const stratum = known ? detector.stratum(0, bytes, streaming) : detector.stratum(0, -1)
      detector.sample(stratum, ms, now, false)
      detector.outcome(0, now)
    }
    const state = detector.tick(now, true)
    if (second > CALM_SECONDS && isAlarm(state)) return true
  }
  return false
}

/** Chunks of 4 streams at a time: false alarms in healthy hours, and seconds until gaps twice as long are seen. */
export function streamGaps(smoke: boolean): Record<string, unknown> {
  const delays: number[] = []
  let falseAlarms = 0
  const runs = smoke ? 1 : RUNS
  for (let run = 0; run < runs; run++) {
    const random = seeded(900 + run)
    const detector = new DriftDetector(usualThresholds, 0)
    let delay = 300
    let before: DriftState = 'healthy'
    for (let second = 1; second <= CALM_SECONDS + 300; second++) {
      const slow = second > CALM_SECONDS ? 2 : 1
      const state = playGaps(detector, random, slow, second * 1000)
      if (slow === 1 && isAlarm(state) && !isAlarm(before)) falseAlarms++
      before = state
      if (slow === 1 || state !== 'slow') continue
      delay = second - CALM_SECONDS
      break
    }
    delays.push(delay)
  }
  return { falseAlarmsPerDay: (falseAlarms * 86_400) / (runs * CALM_SECONDS), x2DelaySeconds: median(delays) }
}

/** A second of four streams with about 30 ms between chunks. */
function playGaps(detector: DriftDetector, random: Random, factor: number, now: number): DriftState {
  const normal = gaussian(random)
  const stratum = detector.stratum(0, 8_000, true)
  for (let stream = 0; stream < 4; stream++) {
    for (let at = 0; at < 1000;) {
      const gap = 30 * factor * Math.exp(normal() * 0.6)
      at += gap
      detector.gap(stratum, gap, now)
    }
  }
  detector.outcome(0, now)
  return detector.tick(now, true)
}

const isAlarm = (state: DriftState): boolean => state === 'slow' || state === 'fast'
