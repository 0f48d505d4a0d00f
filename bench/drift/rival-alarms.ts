/**
 * The rivals over recordings. They see the calls that DriftDetector sees, as the median of each `windowSeconds` (one
 * value per call would only cost them precision), plain or as its logarithm, and learn their centre and spread from
 * the stretch that is healthy by agreement.
 */
import { adwin } from '../rivals/adwin.ts'
import { ewma } from '../rivals/ewma.ts'
import { pageHinkley } from '../rivals/page-hinkley.ts'
import type { MakeRival } from '../rivals/rival.ts'
import type { Alarm, DataSet, Recording } from './recording.ts'
import { median } from './score.ts'

export interface RivalSetting {
  readonly windowSeconds: number
  readonly logarithm: boolean
  readonly label: string
  readonly make: MakeRival
}

/** Windows from the step of the recording down to what a call rate of 2 a second bears. */
const WINDOWS: Readonly<Partial<Record<DataSet, readonly number[]>>> = {
  dependencyLatency: [600, 3600],
  nab: [60, 300],
  nezha: [10, 30],
}

const makers: Readonly<Record<string, readonly (readonly [string, MakeRival])[]>> = {
  pageHinkley: [0.005, 0.05, 0.25, 0.5, 1, 2].flatMap((delta) =>
    [5, 10, 20, 50, 100, 200, 400].map(
      (lambda) => [`delta ${delta} lambda ${lambda}`, pageHinkley(delta, lambda)] as const,
    ),
  ),
  adwin: [0.2, 0.05, 0.002, 1e-4, 1e-8].map((delta) => [`delta ${delta}`, adwin(delta)] as const),
  ewma: [0.05, 0.1, 0.2, 0.4, 0.8].flatMap((weight) =>
    [3, 4, 6, 8, 12, 16, 24, 36, 50].map(
      (limit) => [`weight ${weight} limit ${limit}`, ewma(weight, limit)] as const,
    ),
  ),
}

export const rivals = Object.keys(makers)

/** Every setting of a rival that is tried on a data set. */
export function settingsOf(rival: string, set: DataSet): RivalSetting[] {
  // This ADWIN keeps its window whole: its cost grows with the square of the values.
  const windows = (WINDOWS[set] ?? []).filter(
    (seconds) => rival !== 'adwin' || set === 'nezha' || seconds >= 300,
  )
  return windows.flatMap((windowSeconds) =>
    [true, false].flatMap((logarithm) =>
      makers[rival]!.map(([label, make]) => ({
        windowSeconds,
        logarithm,
        label: `${label}, ${logarithm ? 'log ' : ''}median of ${windowSeconds} s`,
        make,
      })),
    ),
  )
}

export class RivalRunner {
  readonly #windows = new Map<string, Windows>()

  alarms(recording: Recording, setting: RivalSetting): Alarm[] {
    const { values, ends, healthy } = this.#windowsOf(recording, setting.windowSeconds)
    const seen = setting.logarithm ? values.map(Math.log) : values
    if (seen.length <= healthy) return []
    const rival = setting.make(seen.slice(0, healthy))
    return seen.flatMap((value, index) => (rival.push(value) ? [{ second: ends[index]!, side: 'slow' }] : []))
  }

  #windowsOf(recording: Recording, seconds: number): Windows {
    const key = `${recording.set}/${recording.name}/${seconds}`
    let windows = this.#windows.get(key)
    if (windows === undefined) this.#windows.set(key, (windows = windowsOf(recording, seconds)))
    return windows
  }
}

interface Windows {
  readonly values: readonly number[]
  readonly ends: readonly number[]
  /** How many of them are the healthy stretch. */
  readonly healthy: number
}

const LEAST_HEALTHY = 4

function windowsOf(recording: Recording, seconds: number): Windows {
  const values: number[] = []
  const ends: number[] = []
  let open: number[] = []
  let healthy = 0
  recording.play((second, calls) => {
    open.push(...calls)
    if (second % seconds !== 0) return
    if (open.length > 0) {
      values.push(median(open))
      ends.push(second)
      if (second <= recording.probationSeconds) healthy++
    }
    open = []
  })
  return { values, ends, healthy: Math.max(healthy, LEAST_HEALTHY) }
}
