/** False alarms a day on real stretches that nobody labelled, with the shipped thresholds. */
import { lengthOf, type DataSet, type Part, type Recording } from './recording.ts'
import type { SessionDay } from './recordings.ts'
import { healthyAlarms, round } from './score.ts'
import { weirAlarms, weirSessionAlarms } from './weir-alarms.ts'

const DAY_SECONDS = 86_400
/** Real latencies; the NAB series are loads, counts and bytes. */
const LATENCIES: readonly DataSet[] = ['dependencyLatency', 'nezha']

export function healthyFalseAlarms(
  recordings: readonly Recording[],
  days: readonly SessionDay[],
  part: Part,
): Record<string, unknown> {
  const figures: Record<string, unknown> = {}
  for (const set of LATENCIES) {
    const rate = new Rate()
    for (const recording of recordings) {
      if (recording.set !== set || recording.part !== part) continue
      rate.add(healthyAlarms(recording, weirAlarms(recording)), lengthOf(recording.healthy))
    }
    figures[set] = rate.figures()
  }
  for (const bySize of [true, false]) {
    const rate = new Rate()
    for (const day of days) {
      if (day.part === part) rate.add(weirSessionAlarms(day, bySize), day.seconds)
    }
    figures[bySize ? 'agentSessions' : 'agentSessionsSizeIgnored'] = rate.figures()
  }
  return figures
}

class Rate {
  readonly #counts = { slow: 0, fast: 0 }
  #seconds = 0

  add(alarms: readonly { readonly side: 'slow' | 'fast' }[], seconds: number): void {
    this.#seconds += seconds
    for (const { side } of alarms) this.#counts[side]++
  }

  figures(): Record<string, number> {
    const days = this.#seconds / DAY_SECONDS
    const perDay = (count: number): number => (days > 0 ? round(count / days) : 0)
    return { days: round(days), slow: perDay(this.#counts.slow), fast: perDay(this.#counts.fast) }
  }
}
