/**
 * Checked files + the names of the upstreams -> the core's policy. Rules keep the order of their file; files
 * come in name order, `default` last, so that a rule for one concern always speaks before the general one.
 */
import type { Match, Policy, Rule, StaticLimit, Then, When } from '../core/policy.ts'
import { contradictionsOf } from './contradictions.ts'
import { anyOf, compileIdPattern, compilePathPattern } from './pattern.ts'
import {
  distance,
  hasErrors,
  listed,
  problemAt,
  show,
  type Place,
  type Path,
  type Problem,
} from './problems.ts'
import type { RuleValue } from './schema.ts'
import { mergeTuning, type PolicyFile } from './tuning.ts'

export type { PolicyFile } from './tuning.ts'

/** What people want to know of a rule and the core does not. */
export interface RuleNote {
  readonly id: string
  readonly place: Place
  readonly description: string
  /** As written, for `explain`. */
  readonly rule: RuleValue
}

export interface CompileOptions {
  /** Names by upstream index; undefined = not known, the files are checked by themselves. */
  readonly upstreams: readonly string[] | undefined
  /** There is a store for deferred calls. */
  readonly deferral: boolean
}

export type Compiled =
  | {
      readonly ok: true
      readonly policy: Policy
      /** In the order of evaluation. */
      readonly files: readonly string[]
      readonly notes: readonly RuleNote[]
      readonly problems: readonly Problem[]
    }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Every problem of the set at once; warnings alone do not refuse it. */
export function compilePolicy(files: readonly PolicyFile[], options: CompileOptions): Compiled {
  const ordered = files.toSorted(byEvaluation)
  const upstreams = options.upstreams ?? namedIn(ordered)
  const problems: Problem[] = [...sameStems(ordered)]
  const notes: RuleNote[] = []
  const rules: Rule[] = []
  for (const file of ordered) {
    const named = new Set<string>()
    for (const [index, rule] of (file.value.rules ?? []).entries()) {
      const path: Path = ['rules', index]
      problems.push(...problemsOfRule(file, path, rule, named, { upstreams, deferral: options.deferral }))
      const id = `${file.stem}/${rule.name}`
      notes.push({
        id,
        place: file.source.place([...path, 'name']),
        description: rule.description ?? '',
        rule,
      })
      rules.push(compileRule(rule, id, rules.length, upstreams))
    }
    problems.push(...unknownTargets(file, upstreams))
  }
  problems.push(...silencedRules(ordered))
  const tuned = mergeTuning(ordered, upstreams)
  problems.push(...tuned.problems)
  if (hasErrors(problems)) return { ok: false, problems }
  return {
    ok: true,
    files: ordered.map((file) => file.source.file),
    policy: { rules, upstreams: tuned.upstreams, workflow: tuned.workflow },
    notes,
    problems,
  }
}

/** Every upstream that the files speak of, as if all of them were there. */
function namedIn(files: readonly PolicyFile[]): string[] {
  const names = files.flatMap(({ value }) => [
    ...Object.entries(value.upstreams ?? {}).flatMap(([target, tuning]) => [target, ...(tuning.group ?? [])]),
    ...(value.rules ?? []).flatMap((rule) => rule.match?.upstream ?? []),
  ])
  return [...new Set(names)].map((name) => name.replaceAll('*', 'any'))
}

function byEvaluation(a: PolicyFile, b: PolicyFile): number {
  const last = Number(a.stem === 'default') - Number(b.stem === 'default')
  return last !== 0 ? last : a.stem < b.stem ? -1 : a.stem > b.stem ? 1 : 0
}

function compileRule(rule: RuleValue, id: string, index: number, upstreams: readonly string[]): Rule {
  const when: When | undefined = rule.when === undefined ? undefined : { ...NEVER_ASKED, ...rule.when }
  return {
    index,
    id,
    mode: rule.mode ?? 'shadow',
    match: compileMatch(rule.match, upstreams),
    when,
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy format; nothing awaits a rule
    then: compileThen(rule.then),
  }
}

const NEVER_ASKED: When = {
  upstream: undefined,
  agent: undefined,
  workflow: undefined,
  slowdownAtLeast: undefined,
  errorShareAtLeast: undefined,
  retryShareAtLeast: undefined,
  retryingAgentsAtLeast: undefined,
  inFlightAtLeast: undefined,
}

function compileMatch(match: RuleValue['match'], upstreams: readonly string[]): Match {
  const names = match?.upstream?.map(compileIdPattern)
  const includes = names === undefined ? undefined : anyOf(names)
  return {
    upstreams: includes === undefined ? undefined : upstreams.map((name) => includes(name)),
    agent: match?.agent === undefined ? undefined : anyOf(match.agent.map(compileIdPattern)),
    path: match?.path === undefined ? undefined : anyOf(match.path.map(compilePathPattern)),
    methods: match?.method,
    priorities: match?.priority,
    verified: match?.verified,
  }
}

function compileThen(then: RuleValue['then']): Then {
  const caps = then.fanOut
  return {
    do: then.do,
    final: then.final ?? false,
    hold: then.hold === undefined ? undefined : { maxMs: then.hold.max },
    limits: (then.limits ?? []).map((limit): StaticLimit => ({
      per: limit.per,
      scope: limit.scope ?? 'fleet',
      rate: limit.rate ?? 0,
      burst: limit.burst ?? Math.max(1, Math.ceil(limit.rate ?? 0)),
      concurrency: limit.concurrency ?? 0,
    })),
    priority: then.priority,
    fanOut:
      caps === undefined
        ? undefined
        : { width: caps.width ?? Infinity, calls: caps.calls ?? Infinity, depth: caps.depth ?? Infinity },
  }
}

function sameStems(files: readonly PolicyFile[]): Problem[] {
  const first = new Map<string, PolicyFile>()
  return files.flatMap((file) => {
    const other = first.get(file.stem)
    if (other === undefined) {
      first.set(file.stem, file)
      return []
    }
    const found = `a second file named ${show(file.stem)}; the first is ${other.source.file}`
    return [
      problemAt(file.source, [], {
        found,
        allowed: 'one file per name: rule ids begin with it',
        fix: 'rename one of them',
      }),
    ]
  })
}

function problemsOfRule(
  file: PolicyFile,
  path: Path,
  rule: RuleValue,
  named: Set<string>,
  options: { readonly upstreams: readonly string[]; readonly deferral: boolean },
): Problem[] {
  const problems = contradictionsOf(rule, options.deferral).map(({ path: inner, complaint }) =>
    problemAt(file.source, [...path, ...inner], complaint),
  )
  if (named.has(rule.name)) {
    const complaint = {
      found: `a second rule named ${show(rule.name)}`,
      allowed: 'one rule per name',
      fix: 'rename one of them',
    }
    problems.push(problemAt(file.source, [...path, 'name'], complaint))
  }
  named.add(rule.name)
  for (const [index, name] of (rule.match?.upstream ?? []).entries()) {
    problems.push(
      ...unknownUpstream(file, [...path, 'match', 'upstream', index], name, options.upstreams, false),
    )
  }
  return problems
}

function unknownTargets(file: PolicyFile, upstreams: readonly string[]): Problem[] {
  return Object.entries(file.value.upstreams ?? {}).flatMap(([target, tuning]) => {
    const path = ['upstreams', target]
    const members = (tuning.group ?? []).flatMap((name, index) =>
      unknownUpstream(file, [...path, 'group', index], name, upstreams, false),
    )
    return target === '*' ? members : [...unknownUpstream(file, path, target, upstreams, true), ...members]
  })
}

/** A name that stands for nothing is told; one that is nearly a known one is a slip of the hand, and refused. */
function unknownUpstream(
  file: PolicyFile,
  path: Path,
  name: string,
  upstreams: readonly string[],
  atKey: boolean,
): Problem[] {
  const matches = compileIdPattern(name)
  if (upstreams.some((known) => matches(known))) return []
  const slip = name.includes('*') ? undefined : upstreams.find((known) => isSlip(name, known))
  const allowed = upstreams.length === 0 ? 'none is configured' : listed(upstreams)
  if (slip !== undefined) {
    const complaint = {
      found: `upstream ${show(name)} is not configured`,
      allowed,
      nearest: slip,
      fix: `write ${slip}`,
      atKey,
    }
    return [problemAt(file.source, path, complaint)]
  }
  return [
    problemAt(file.source, path, {
      severity: 'warning',
      found: `upstream ${show(name)} matches nothing`,
      allowed,
      fix: 'configure it, or leave it: the rest of the file works without',
      atKey,
    }),
  ]
}

/** At most two edits, and at most one in three letters: `stt` is not a slip of `tts`. */
function isSlip(name: string, known: string): boolean {
  return distance(name, known) <= Math.min(2, Math.floor(Math.min(name.length, known.length) / 3))
}

/** Enforced rules behind one that decides every call: they never do. */
function silencedRules(files: readonly PolicyFile[]): Problem[] {
  let by: string | undefined
  const problems: Problem[] = []
  for (const file of files) {
    for (const [index, rule] of (file.value.rules ?? []).entries()) {
      if (rule.mode !== 'enforce' || rule.then.do === undefined) continue
      if (by !== undefined) {
        problems.push(
          problemAt(file.source, ['rules', index, 'then', 'do'], {
            severity: 'warning',
            found: `the rule never decides: ${by} decides every call before it`,
            allowed: 'the general rule after the special ones',
            fix: 'give the earlier rule a match or a when, or put it last',
            atKey: true,
          }),
        )
      }
      if (rule.match === undefined && rule.when === undefined) by ??= `${file.stem}/${rule.name}`
    }
  }
  return problems
}
