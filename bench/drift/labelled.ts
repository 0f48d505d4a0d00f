/**
 * Precision, recall and lead time on the labelled recordings, beside three textbook detectors. Every detector's
 * thresholds are chosen by F1 on the tuning part and its figures told of the held-out part. The rivals have the best
 * of all tried settings for each data set; DriftDetector has one of POLICIES for all sets together, and as shipped.
 */
import type { DriftThresholds } from '../../src/core/policy.ts'
import type { DataSet, Part, Recording } from './recording.ts'
import { RivalRunner, rivals, settingsOf, type RivalSetting } from './rival-alarms.ts'
import { Score } from './score.ts'
import { usualThresholds } from './synthetic.ts'
import { weirAlarms } from './weir-alarms.ts'

const SETS: readonly DataSet[] = ['dependencyLatency', 'nab', 'nezha']

/** What an operator may set in a policy's `drift` to hear of less. */
export const POLICIES: Readonly<Record<string, DriftThresholds>> = Object.fromEntries(
  [1.25, 1.5, 2, 3].flatMap((effect) =>
    [1, 2, 4].map((alarms) => [
      `slowEffect ${effect}, alarms x${alarms}`,
      {
        ...usualThresholds,
        slowEffect: effect,
        fastEffect: 1 / effect,
        slowAlarm: usualThresholds.slowAlarm * alarms,
        fastAlarm: usualThresholds.fastAlarm * alarms,
      },
    ]),
  ),
)
export const AS_SHIPPED = 'slowEffect 1.25, alarms x1'

/** Figures by data set and over all, of one part. */
export function figuresOf(
  recordings: readonly Recording[],
  part: Part,
  alarmsOf: (recording: Recording) => Parameters<Score['add']>[1],
): Record<string, unknown> {
  const all = new Score()
  const bySet: Record<string, unknown> = {}
  for (const set of SETS) {
    const score = new Score()
    for (const recording of recordings) {
      if (recording.set !== set || recording.part !== part) continue
      const alarms = alarmsOf(recording)
      score.add(recording, alarms)
      all.add(recording, alarms)
    }
    bySet[set] = score.figures()
  }
  return { ...all.figures(), ...bySet }
}

/** The setting with the best F1 on the tuning part of a data set. */
export function bestSetting(
  runner: RivalRunner,
  recordings: readonly Recording[],
  rival: string,
  set: DataSet,
): RivalSetting {
  const tuning = recordings.filter((recording) => recording.set === set && recording.part === 'tuning')
  let best: { setting: RivalSetting; f1: number } | undefined
  for (const setting of settingsOf(rival, set)) {
    const score = new Score()
    for (const recording of tuning) score.add(recording, runner.alarms(recording, setting))
    if (best === undefined || score.f1 > best.f1) best = { setting, f1: score.f1 }
  }
  return best!.setting
}

export function labelled(recordings: readonly Recording[], policy: string): Record<string, unknown> {
  const judge = (name: string): Record<string, unknown> => ({
    setting: name,
    ...figuresOf(recordings, 'heldOut', (recording) => weirAlarms(recording, POLICIES[name])),
  })
  const figures: Record<string, unknown> = { weir: judge(policy), weirAsShipped: judge(AS_SHIPPED) }
  const runner = new RivalRunner()
  for (const rival of rivals) {
    const settings = new Map(SETS.map((set) => [set, bestSetting(runner, recordings, rival, set)]))
    figures[rival] = {
      setting: Object.fromEntries([...settings].map(([set, { label }]) => [set, label])),
      ...figuresOf(recordings, 'heldOut', (recording) =>
        runner.alarms(recording, settings.get(recording.set)!),
      ),
    }
  }
  return figures
}
