/**
 * What drift detection is worth: false alarms a day, delay after a step and lead on a ramp on a synthetic upstream
 * (drift/steps.ts); shifts of the mix (drift/mix.ts); false alarms on real healthy stretches; and precision, recall
 * and lead beside three textbook detectors on labelled real series (drift/labelled.ts). Recordings are played in real
 * time (drift/recordings.ts says what each makes up), all in virtual time from fixed seeds: the figures repeat to the
 * digit on any machine. Constants and thresholds were set on the tuning part; figures of real data are of the held-out
 * part, those of the tuning part stand beside them in `tuningPart`.
 */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { labelled } from './drift/labelled.ts'
import { mixShifts, streamGaps } from './drift/mix.ts'
import { healthyFalseAlarms } from './drift/healthy.ts'
import { labelledRecordings, sessionDays } from './drift/recordings.ts'
import { present } from './drift/series.ts'
import { falseAlarms, ramps, steps } from './drift/steps.ts'
import { touched } from './drift/touched.ts'

const DATA = resolve(fileURLToPath(import.meta.url), '../../../shared/data')
/** Chosen by F1 on the tuning part, by `npx tsx bench/drift/tune.ts`. */
const TUNED = 'slowEffect 2, alarms x4'
const SESSION_SEEDS = [3, 4, 5, 6, 7, 8, 9, 10]

export async function run(options: { smoke: boolean; data?: string }): Promise<Record<string, unknown>> {
  const { smoke, data = DATA } = options
  const figures: Record<string, unknown> = {
    falseAlarmsPerDay: falseAlarms(smoke),
    touchedWhileHealthy: touched(smoke),
    delaySeconds: steps(smoke),
    leadSeconds: ramps(smoke),
    mixShiftFalseAlarms: mixShifts(smoke),
    streamGaps: streamGaps(smoke),
  }
  if (!present(data)) {
    figures['labelled'] = `no data at ${data}: only the synthetic upstream was judged`
    return figures
  }
  const recordings = labelledRecordings(data).filter(({ set }) => !smoke || set === 'nezha')
  const days = sessionDays(data, smoke ? SESSION_SEEDS.slice(0, 1) : SESSION_SEEDS)
  figures['realFalseAlarmsPerDay'] = healthyFalseAlarms(recordings, days, 'heldOut')
  figures['tuningPart'] = { realFalseAlarmsPerDay: healthyFalseAlarms(recordings, days, 'tuning') }
  figures['labelled'] = labelled(recordings, TUNED)
  return figures
}
