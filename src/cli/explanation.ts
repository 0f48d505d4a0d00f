/** One call held against every rule: what the core's rulebook would find, and why. Pure. */
import type {
  AgentCondition,
  Arrival,
  Condition,
  Mode,
  Priority,
  VerdictKind,
  WorkflowCondition,
} from '../core/model.ts'
import {
  matches,
  type Match,
  type Policy,
  type Rule,
  type UpstreamPolicy,
  type When,
} from '../core/policy.ts'
import type { RuleNote } from '../policy/compile.ts'

/** A call, and the state of the world in which it comes. */
export interface Question {
  readonly upstream: string
  readonly agent: string
  readonly path: string
  readonly method: string
  readonly priority: Priority
  readonly verified: boolean
  readonly condition: Condition
  readonly agentCondition: AgentCondition
  readonly workflowCondition: WorkflowCondition
  readonly slowdown: number
  readonly errorShare: number
  readonly retryShare: number
  readonly retryingAgents: number
  readonly inFlight: number
}

/** One key of a rule that is not true of the call. */
export interface Miss {
  readonly key: string
  readonly wanted: string
  readonly given: string
}

export interface RuleAnswer {
  readonly id: string
  readonly place: string
  readonly description: string
  readonly mode: Mode
  /** `acts`: matches and is awake. `sleeps`: matches, its condition is not true. `other`: not about this call. */
  readonly state: 'acts' | 'sleeps' | 'other' | 'off'
  readonly do: VerdictKind | undefined
  readonly decides: boolean
  /** As written. */
  readonly then: object
  readonly misses: readonly Miss[]
}

export interface Explanation {
  readonly question: Question
  readonly rules: readonly RuleAnswer[]
  /** Id of the enforced rule that decides; undefined = none, the call passes within limits and caps. */
  readonly decides: string | undefined
  /** Id of the rule in shadow mode that would decide, and is only recorded. */
  readonly shadow: string | undefined
  readonly outcome: string
  /** What would make it otherwise. */
  readonly changes: readonly string[]
  /** In force at this upstream. */
  readonly thresholds: UpstreamPolicy
}

/** @param upstream index of `question.upstream` */
export function explain(
  policy: Policy,
  notes: readonly RuleNote[],
  upstream: number,
  question: Question,
): Explanation {
  const thresholds = policy.upstreams[upstream]
  if (thresholds === undefined) throw new RangeError(`no upstream ${upstream}`)
  const arrival = arrivalOf(question, upstream)
  const answers = policy.rules.map((rule) => answer(rule, notes[rule.index], arrival, question))
  const acting = answers.filter((rule) => rule.state === 'acts' && rule.do !== undefined)
  const decider = acting.find((rule) => rule.mode === 'enforce')
  const shadow = acting.find((rule) => rule.mode === 'shadow')
  const rules = answers.map((rule) => Object.assign({}, rule, { decides: rule === decider }))
  return {
    question,
    rules,
    decides: decider?.id,
    shadow: shadow?.id,
    outcome: outcomeOf(decider, answers, question),
    changes: changesOf(decider, shadow, answers),
    thresholds,
  }
}

function answer(rule: Rule, note: RuleNote | undefined, arrival: Arrival, question: Question): RuleAnswer {
  const matchMisses = matches(rule.match, arrival) ? [] : missesOfMatch(rule.match, note, arrival)
  const whenMisses = rule.when === undefined ? [] : missesOfWhen(rule.when, question)
  const isOther = !matches(rule.match, arrival)
  const place = note === undefined ? '' : `${note.place.file}:${note.place.line}`
  const awake = whenMisses.length === 0 ? 'acts' : 'sleeps'
  return {
    id: rule.id,
    place,
    description: note?.description ?? '',
    mode: rule.mode,
    state: rule.mode === 'off' ? 'off' : isOther ? 'other' : awake,
    do: rule.then.do,
    decides: false,
    // oxlint-disable-next-line unicorn/no-thenable -- the word of the policy format; nothing awaits a rule
    then: note?.rule.then ?? {},
    misses: [...matchMisses, ...whenMisses],
  }
}

function missesOfMatch(match: Match, note: RuleNote | undefined, arrival: Arrival): Miss[] {
  const written = note?.rule.match
  const misses: Miss[] = []
  if (match.upstreams !== undefined && match.upstreams[arrival.upstream] !== true) {
    misses.push({ key: 'match.upstream', wanted: list(written?.upstream), given: 'another' })
  }
  if (match.agent?.(arrival.agent) === false) {
    misses.push({ key: 'match.agent', wanted: list(written?.agent), given: arrival.agent })
  }
  if (match.path?.(arrival.path) === false) {
    misses.push({ key: 'match.path', wanted: list(written?.path), given: arrival.path })
  }
  if (match.methods?.includes(arrival.method) === false) {
    misses.push({ key: 'match.method', wanted: list(match.methods), given: arrival.method })
  }
  if (match.priorities?.includes(arrival.priority) === false) {
    misses.push({ key: 'match.priority', wanted: list(match.priorities), given: arrival.priority })
  }
  const isVerified = arrival.trust === 'verified'
  if (match.verified !== undefined && match.verified !== isVerified) {
    misses.push({ key: 'match.verified', wanted: String(match.verified), given: String(isVerified) })
  }
  return misses
}

function list(values: readonly string[] | undefined): string {
  return values?.join(', ') ?? ''
}

function missesOfWhen(when: When, question: Question): Miss[] {
  const misses: Miss[] = []
  const oneOf = (key: string, wanted: readonly string[] | undefined, given: string): void => {
    if (wanted !== undefined && !wanted.includes(given))
      misses.push({ key: `when.${key}`, wanted: wanted.join(', '), given })
  }
  const atLeast = (key: string, wanted: number | undefined, given: number): void => {
    if (wanted !== undefined && given < wanted)
      misses.push({ key: `when.${key}`, wanted: String(wanted), given: String(given) })
  }
  oneOf('upstream', when.upstream, question.condition)
  oneOf('agent', when.agent, question.agentCondition)
  oneOf('workflow', when.workflow, question.workflowCondition)
  atLeast('slowdownAtLeast', when.slowdownAtLeast, question.slowdown)
  atLeast('errorShareAtLeast', when.errorShareAtLeast, question.errorShare)
  atLeast('retryShareAtLeast', when.retryShareAtLeast, question.retryShare)
  atLeast('retryingAgentsAtLeast', when.retryingAgentsAtLeast, question.retryingAgents)
  atLeast('inFlightAtLeast', when.inFlightAtLeast, question.inFlight)
  return misses
}

function outcomeOf(
  decider: RuleAnswer | undefined,
  answers: readonly RuleAnswer[],
  question: Question,
): string {
  const capped = answers.some(
    (rule) =>
      rule.state === 'acts' && rule.mode === 'enforce' && ('limits' in rule.then || 'fanOut' in rule.then),
  )
  const within = capped ? ', within the limits and caps of the rules above' : ''
  if (decider?.do === undefined) return `passes${within}: no enforced rule decides`
  if (decider.do === 'pass') return 'passes, whatever the condition of the upstream'
  if (decider.do === 'shed') {
    const isFinal = 'final' in decider.then && decider.then.final === true
    return isFinal ? 'is refused for good (403)' : 'is refused, with a slot at which to come back'
  }
  const waits = decider.do === 'hold' ? 'held' : 'deferred'
  if (!isWell(question.condition)) {
    return `passes while the upstream has room${within}, else is ${waits}; what cannot wait gets a slot`
  }
  const beyond = capped
    ? `; beyond them it is ${waits}`
    : ': the upstream is well, so there is nothing to wait for'
  return `passes${within}${beyond}`
}

/** Conditions in which the core steers nothing (see `core/detect/condition.ts`). */
function isWell(condition: Condition): boolean {
  return condition === 'healthy' || condition === 'watch'
}

function changesOf(
  decider: RuleAnswer | undefined,
  shadow: RuleAnswer | undefined,
  answers: readonly RuleAnswer[],
): string[] {
  const changes: string[] = []
  for (const rule of answers) {
    if (rule === decider) break
    if (rule.do === undefined || rule.mode !== 'enforce' || rule.state !== 'sleeps') continue
    const needs = rule.misses.map((miss) => `${miss.key} ${miss.wanted}`).join(' and ')
    changes.push(`with ${needs}, ${rule.id} would decide: ${rule.do}`)
  }
  if (shadow !== undefined && (decider === undefined || answers.indexOf(shadow) < answers.indexOf(decider))) {
    changes.push(`with mode: enforce, ${shadow.id} would decide: ${shadow.do ?? ''}`)
  }
  return changes
}

function arrivalOf(question: Question, upstream: number): Arrival {
  return {
    at: 0,
    call: 0,
    upstream,
    agent: question.agent,
    trust: question.verified ? 'verified' : 'claimed',
    workflow: '',
    parent: '',
    method: question.method.toUpperCase(),
    path: question.path,
    route: question.path,
    bytes: 0,
    priority: question.priority,
    family: '',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 0,
    credential: 0,
    longLived: false,
    holdable: true,
    deferrable: false,
  }
}
