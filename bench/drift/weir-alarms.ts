/** DriftDetector over recordings, in virtual time, with the shipped thresholds. */
import { DriftDetector, type DriftState } from '../../src/core/detect/drift.ts'
import type { DriftThresholds } from '../../src/core/policy.ts'
import type { Alarm, Recording } from './recording.ts'
import type { SessionDay } from './recordings.ts'
import { usualThresholds } from './synthetic.ts'

/** Remembers where slow or fast began. */
class Onsets {
  readonly alarms: Alarm[] = []
  #before: DriftState = 'healthy'

  look(second: number, state: DriftState): void {
    const alarming = state === 'slow' || state === 'fast'
    if (alarming && state !== this.#before) this.alarms.push({ second, side: state })
    this.#before = state
  }
}

export function weirAlarms(recording: Recording, policy: DriftThresholds = usualThresholds): Alarm[] {
  const detector = new DriftDetector(policy, 0)
  const stratum = detector.stratum(0, -1)
  const onsets = new Onsets()
  recording.play((second, calls) => {
    const now = second * 1000
    for (const ms of calls) detector.sample(stratum, ms, now, false)
    onsets.look(second, detector.tick(now, true))
  })
  return onsets.alarms
}

/** `bySize`: classes of request sizes are told apart, as the proxy does. */
export function weirSessionAlarms(day: SessionDay, bySize: boolean): Alarm[] {
  const detector = new DriftDetector(usualThresholds, 0)
  const onsets = new Onsets()
  let next = 0
  for (let second = 1; second <= day.seconds; second++) {
    for (; next < day.calls.length && day.calls[next]!.doneMs <= second * 1000; next++) {
      const { call, doneMs } = day.calls[next]!
      const stratum = detector.stratum(0, bySize ? call.bytes : -1, call.streamed)
      detector.sample(stratum, call.ms, doneMs, false)
      detector.outcome(0, doneMs)
    }
    onsets.look(second, detector.tick(second * 1000, true))
  }
  return onsets.alarms
}
