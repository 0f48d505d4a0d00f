/**
 * Tuning of several files -> one `UpstreamPolicy` per upstream. A name beats `'*'`; two files that say different
 * things about the same key of the same target are a conflict, unless the file says `override: true`.
 */
import type { UpstreamPolicy, WorkflowThresholds } from '../core/policy.ts'
import { problemAt, show, type Path, type Problem, type Source } from './problems.ts'
import {
  filled,
  TUNING_SECTIONS,
  tuningSections,
  workflowSection,
  type PolicyFileValue,
  type TuningSection,
} from './schema.ts'

export interface PolicyFile {
  /** File name without its ending: the first half of rule ids. */
  readonly stem: string
  readonly source: Source
  readonly value: PolicyFileValue
}

interface Setting {
  readonly value: unknown
  readonly source: Source
  readonly path: Path
  readonly override: boolean
}

/** `target/section` -> key -> what is set. Targets are upstream names and `'*'`. */
type Settings = Map<string, Map<string, Setting>>

export interface Tuned {
  readonly upstreams: readonly UpstreamPolicy[]
  readonly workflow: WorkflowThresholds
  readonly problems: readonly Problem[]
}

/** Tuning of `files` for `upstreams`, by index. */
export function mergeTuning(files: readonly PolicyFile[], upstreams: readonly string[]): Tuned {
  const problems: Problem[] = []
  const settings: Settings = new Map()
  // Files that override come last, so that a conflict is only ever between equals.
  for (const file of files.toSorted(
    (a, b) => Number(a.value.override ?? false) - Number(b.value.override ?? false),
  )) {
    for (const [target, tuning] of Object.entries(file.value.upstreams ?? {})) {
      for (const section of TUNING_SECTIONS) {
        collect(
          settings,
          `${target}/${section}`,
          file,
          ['upstreams', target, section],
          tuning[section],
          problems,
        )
      }
    }
    collect(settings, 'workflow', file, ['workflow'], file.value.workflow, problems)
  }

  const groups = groupsOf(files, upstreams, problems)
  const tuned = upstreams.map((name, index) =>
    upstreamPolicy(name, groups[index] ?? [index], settings, problems),
  )
  const set = settings.get('workflow') ?? new Map<string, Setting>()
  const { ttl, ...workflow } = filled(workflowSection, valuesOf(set))
  if (workflow.calls > workflow.hardCalls)
    problems.push(disorder(set, 'calls', workflow.calls, 'hardCalls', workflow.hardCalls))
  return { upstreams: tuned, workflow: { ...workflow, ttlMs: ttl }, problems: unique(problems) }
}

function collect(
  settings: Settings,
  target: string,
  file: PolicyFile,
  path: Path,
  section: Readonly<Record<string, unknown>> | undefined,
  problems: Problem[],
): void {
  const known = settings.get(target) ?? new Map<string, Setting>()
  settings.set(target, known)
  for (const [key, value] of Object.entries(section ?? {})) {
    if (value === undefined) continue
    const setting = {
      value,
      source: file.source,
      path: [...path, key],
      override: file.value.override ?? false,
    }
    const other = known.get(key)
    if (other !== undefined && other.override === setting.override && other.value !== value) {
      problems.push(conflict(setting, other))
    } else known.set(key, setting)
  }
}

function conflict(setting: Setting, other: Setting): Problem {
  const place = other.source.place(other.path)
  return problemAt(setting.source, setting.path, {
    found: `${setting.path.join('.')} is said differently in ${place.file}:${place.line}:${place.column}`,
    allowed: 'one file per key',
    fix: 'remove one of the two, or write `override: true` at the top of the file that is to win',
  })
}

function upstreamPolicy(
  name: string,
  group: readonly number[],
  settings: Settings,
  problems: Problem[],
): UpstreamPolicy {
  const layers = (section: TuningSection): Map<string, Setting> =>
    new Map([...(settings.get(`*/${section}`) ?? []), ...(settings.get(`${name}/${section}`) ?? [])])
  const set = (section: TuningSection): Record<string, unknown> => valuesOf(layers(section))
  const { warmUp, clear: driftClear, ...drift } = filled(tuningSections.drift, set('drift'))
  const { window: stormWindow, clear: stormClear, ...storm } = filled(tuningSections.storm, set('storm'))
  const limit = filled(tuningSections.limit, set('limit'))
  const retryBudget = filled(tuningSections.retryBudget, set('retryBudget'))
  const hold = filled(tuningSections.hold, set('hold'))
  const slots = filled(tuningSections.slots, set('slots'))
  const release = filled(tuningSections.release, set('release'))
  const ordered = (section: TuningSection, small: string, low: number, large: string, high: number): void => {
    if (low > high) problems.push(disorder(layers(section), small, low, large, high))
  }
  ordered('limit', 'min', limit.min, 'max', limit.max)
  ordered('hold', 'perAgent', hold.perAgent, 'calls', hold.calls)
  ordered('slots', 'grace', slots.grace, 'max', slots.max)
  ordered('release', 'probeEvery', release.probeEvery, 'probeMax', release.probeMax)
  return {
    drift: { ...drift, warmUpMs: warmUp, clearMs: driftClear },
    storm: { ...storm, windowMs: stormWindow, clearMs: stormClear },
    limit,
    retryBudget,
    hold: { maxMs: hold.max, maxCalls: hold.calls, maxPerAgent: hold.perAgent, maxBytes: hold.bytes },
    slots: { maxMs: slots.max, graceMs: slots.grace },
    release: {
      probeEveryMs: release.probeEvery,
      probeMaxMs: release.probeMax,
      probePasses: release.passes,
      start: release.start,
      growth: release.growth,
      windowMs: release.window,
    },
    group,
  }
}

function valuesOf(settings: ReadonlyMap<string, Setting>): Record<string, unknown> {
  return Object.fromEntries([...settings].map(([key, setting]) => [key, setting.value]))
}

/** Two keys in the wrong order, at whichever of them is written in a file. */
function disorder(
  set: ReadonlyMap<string, Setting>,
  small: string,
  low: number,
  large: string,
  high: number,
): Problem {
  const [key, setting] = set.has(small) ? [small, set.get(small)] : [large, set.get(large)]
  if (setting === undefined) throw new Error(`defaults of ${small} and ${large} contradict each other`)
  return problemAt(setting.source, setting.path, {
    found: `${small} (${low}) is above ${large} (${high})`,
    allowed: `${small} at most as large as ${large}`,
    fix: `${key === small ? 'lower' : 'raise'} ${key}, or set ${key === small ? large : small} as well`,
  })
}

/** Members by upstream index. Saying it at one of them is enough. */
function groupsOf(
  files: readonly PolicyFile[],
  upstreams: readonly string[],
  problems: Problem[],
): number[][] {
  const groups: number[][] = upstreams.map((_, index) => [index])
  for (const file of files) {
    for (const [target, tuning] of Object.entries(file.value.upstreams ?? {})) {
      if (tuning.group === undefined) continue
      const path = ['upstreams', target, 'group']
      if (target === '*') {
        problems.push(
          problemAt(file.source, path, {
            found: "a group under '*'",
            allowed: 'a group under the name of one of its members',
            fix: 'move it there: upstreams answer for each other only when you name them',
          }),
        )
        continue
      }
      const members = [target, ...tuning.group]
        .map((name) => upstreams.indexOf(name))
        .filter((index) => index !== -1)
      join(
        groups,
        [...new Set(members)].toSorted((a, b) => a - b),
        upstreams,
        file.source,
        path,
        problems,
      )
    }
  }
  return groups
}

function join(
  groups: number[][],
  members: number[],
  upstreams: readonly string[],
  source: Source,
  path: Path,
  problems: Problem[],
): void {
  if (members.length < 2) return
  const taken = members.find(
    (index) => (groups[index]?.length ?? 1) > 1 && show(groups[index]) !== show(members),
  )
  if (taken !== undefined) {
    problems.push(
      problemAt(source, path, {
        found: `upstream ${show(upstreams[taken])} is in another group already`,
        allowed: 'one group per upstream',
        fix: 'list all members in one place',
      }),
    )
    return
  }
  for (const index of members) groups[index] = members
}

/** A mistake under `'*'` shows at every upstream; once is enough. */
function unique(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
}
