/**
 * Our log-linear histogram beside hdr-histogram-js (32-bit buckets, 2 significant digits, the nearest in size):
 * nanoseconds per record and per quantile, and bytes. Rounds alternate; the median round is told. Both are first
 * checked to agree within a bucket.
 */
import { build } from 'hdr-histogram-js'
import { LatencyHistogram } from '../../src/core/observe/latency-histogram.ts'
import { DriftDetector } from '../../src/core/detect/drift.ts'
import { seeded } from '../../src/core/random.ts'
import { usualThresholds } from '../drift/synthetic.ts'

const ROUNDS = 9
const RECORDS = 1_000_000
const QUANTILES = 20_000

export async function run(): Promise<Record<string, number>> {
  const random = seeded(1)
  const times = Float64Array.from({ length: 4096 }, () => 1 + 1000 * random() ** 4)
  const ours = new LatencyHistogram()
  const theirs = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: 2_000_000,
    numberOfSignificantValueDigits: 2,
    bitBucketSize: 32,
  })
  const detector = new DriftDetector(usualThresholds, 0)
  const stratum = warm(detector, times)
  const rounds: Record<string, number[]> = {}
  const note = (name: string, ns: number): void => void (rounds[name] ??= []).push(ns)
  let sink = 0
  for (let round = 0; round < ROUNDS; round++) {
    note(
      'record.weirNs',
      each(RECORDS, (i) => ours.record(times[i & 4095]!)),
    )
    note(
      'record.hdrNs',
      each(RECORDS, (i) => theirs.recordValue(times[i & 4095]!)),
    )
    note(
      'quantile.weirNs',
      each(QUANTILES, () => (sink += ours.quantile(0.99))),
    )
    note(
      'quantile.hdrNs',
      each(QUANTILES, () => (sink += theirs.getValueAtPercentile(99))),
    )
    note(
      'driftSampleNs',
      each(RECORDS, (i) => detector.sample(stratum, times[i & 4095]!, 90_000 + i / RECORDS, false)),
    )
  }
  const apart = Math.abs(ours.quantile(0.9) / theirs.getValueAtPercentile(90) - 1)
  if (!(apart < 0.13) || sink === 0) throw new Error(`the histograms disagree at p90 by ${apart}`)
  const figures: Record<string, number> = {}
  for (const [name, list] of Object.entries(rounds)) {
    figures[name] = list.toSorted((a, b) => a - b)[list.length >> 1]!
  }
  figures['bytes.weir'] = ours.counts.byteLength
  figures['bytes.hdr'] = theirs.estimatedFootprintInBytes
  return figures
}

function warm(detector: DriftDetector, times: Float64Array): number {
  const stratum = detector.stratum(0, 1000)
  for (let second = 1; second <= 90; second++) {
    for (let i = 0; i < 20; i++)
      detector.sample(stratum, times[(second * 20 + i) & 4095]!, second * 1000, false)
    detector.tick(second * 1000, true)
  }
  return stratum
}

function each(count: number, work: (index: number) => unknown): number {
  const from = process.hrtime.bigint()
  for (let index = 0; index < count; index++) work(index)
  return Number(process.hrtime.bigint() - from) / count
}
