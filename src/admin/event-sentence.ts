/** Events in plain words: what changed, and the figures that decided, each beside the threshold it crossed. */
import type { CoreEvent, EventName, Mode } from '../core/model.ts'
import type { Policy, Rule } from '../core/policy.ts'
import type { Quantiles } from '../core/reading.ts'
import type { EventView } from './views.ts'

/** What stood behind an event at its upstream. */
export interface Background {
  readonly policy: Policy
  readonly latency: Quantiles
  readonly baseline: Quantiles
  /** Names by index. */
  readonly upstreams: readonly string[]
}

/** Rules named with an event. */
const MOST_RULES = 4

/** `view` with a sentence and the rules that act in the condition that it tells of. */
export function described(view: EventView, event: CoreEvent, behind: Background): EventView {
  const rules = event.name === 'condition-changed' ? rulesOf(event, behind.policy) : []
  const acting =
    rules.length === 0 ? '' : `; acts: ${rules.map(({ id, mode }) => `${id} (${mode})`).join(', ')}`
  const text = `${sentence(event, behind)}${acting}`
  return { ...view, text, ...(rules.length === 0 ? {} : { rules }) }
}

function rulesOf(event: CoreEvent, policy: Policy): { id: string; mode: Mode }[] {
  const acts = ({ mode, when, match }: Rule): boolean =>
    mode !== 'off' &&
    match.upstreams?.[event.upstream] !== false &&
    when?.upstream?.some((condition) => condition === event.to) === true
  return policy.rules
    .filter(acts)
    .slice(0, MOST_RULES)
    .map(({ id, mode }) => ({ id, mode }))
}

function sentence(event: CoreEvent, behind: Background): string {
  return SENTENCES[event.name](event, behind)
}

const SENTENCES: Readonly<Record<EventName, (event: CoreEvent, behind: Background) => string>> = {
  'condition-changed': (event, behind) => `${event.from} → ${event.to}: ${stateOf(event, behind)}`,
  'drift-started': (event, behind) => `drift started: ${driftOf(event, behind)}`,
  'drift-ended': (_event, behind) => `drift ended: ${speedOf(behind)}`,
  'storm-started': (event, behind) => `storm started: ${stormOf(event, behind)}${rootOf(event, behind)}`,
  'storm-ended': (event) =>
    `storm ended: ${figure(event, 'retryingAgents')} of ${figure(event, 'activeAgents')} agents retry`,
  'agent-looping': (event) => `agent ${event.agent} runs in circles: it repeats calls that do not succeed`,
  'workflow-narrowed': (event) =>
    `workflow ${event.workflow || event.agent} narrowed at ${figure(event, 'calls')} calls, depth ${figure(event, 'depth')}`,
  'probe-started': (event) => `shut: one probe at a time finds out when it is well; ${loadOf(event)}`,
  'probe-failed': ({ readings }) =>
    `probe failed: ${readings['status'] ? `status ${readings['status']}` : 'no answer'}`,
  'release-started': (event) => `probe passed: opening step by step, ${figure(event, 'held')} held`,
  'release-aborted': (event, behind) =>
    `opening aborted (${figure(event, 'aborts')} so far): ${errorsOf(event)}, ${speedOf(behind)}`,
  'release-ended': (_event, behind) => `open again: ${speedOf(behind)}`,
  'limit-changed': (event) => `limit ${limitOf(event.to)}, was ${limitOf(event.from)}; ${loadOf(event)}`,
  'quota-learned': (event) =>
    `quota spent: answered ${figure(event, 'status')}, nothing left for ${duration(event.readings['blockedMs'])}`,
}

/** A storm may begin at another upstream, whose failures make the agents repeat calls here. */
function rootOf({ upstream, readings }: CoreEvent, behind: Background): string {
  const root = readings['root'] ?? upstream
  return root === upstream ? '' : `, root ${behind.upstreams[root]}`
}

/** The score that alarmed, over its threshold. */
function driftOf(event: CoreEvent, behind: Background): string {
  const drift = behind.policy.upstreams[event.upstream]?.drift
  const { readings } = event
  if (drift === undefined) return speedOf(behind)
  const sides = [
    { what: 'slower', score: readings['driftSlow'] ?? 0, alarm: drift.slowAlarm },
    { what: 'faster', score: readings['driftFast'] ?? 0, alarm: drift.fastAlarm },
    { what: 'more errors', score: readings['driftErrors'] ?? 0, alarm: drift.errorAlarm },
  ]
  const fired = sides.toSorted((a, b) => b.score / b.alarm - a.score / a.alarm)[0]!
  // The test of errors starts anew the moment it has fired: then the share itself is the figure.
  if (fired.score < fired.alarm) return `${errorsOf(event)}, ${speedOf(behind)}`
  return `${fired.what}, score ${decimal(fired.score)} over ${decimal(fired.alarm)}, ${speedOf(behind)}`
}

/** The share alarms over 5 s or over the newest 2 s alone: the figure may be below the alarm when it has just begun. */
function stormOf(event: CoreEvent, behind: Background): string {
  const storm = behind.policy.upstreams[event.upstream]?.storm
  const agents = `${figure(event, 'retryingAgents')} of ${figure(event, 'activeAgents')} agents retry together`
  const retries = `${share(event.readings['retryShare'])} retries in 5 s`
  if (storm === undefined) return `${agents}, ${retries}`
  const least = Math.max(storm.agents, Math.ceil(storm.agentShare * (event.readings['activeAgents'] ?? 0)))
  return `${agents} (alarm ${least}), ${retries} (alarm ${share(storm.retryShare)}, or that in the last 2 s)`
}

function stateOf(event: CoreEvent, behind: Background): string {
  const { retryShare, retryingAgents } = event.readings
  const retries = `${share(retryShare)} retries by ${figure(event, 'retryingAgents')} ${retryingAgents === 1 ? 'agent' : 'agents'}`
  return `${speedOf(behind)}, ${errorsOf(event)}, ${retries}, ${loadOf(event)}`
}

function loadOf(event: CoreEvent): string {
  const overdue = event.readings['overdue'] ?? 0
  const late = overdue === 0 ? '' : ` (${overdue} overdue)`
  return `${figure(event, 'inFlight')} in flight${late}, ${figure(event, 'held')} held`
}

function errorsOf(event: CoreEvent): string {
  return `${share(event.readings['errorShare'])} errors`
}

function speedOf({ latency, baseline }: Background): string {
  if (latency.p50 === 0) return 'no answer lately'
  if (baseline.p50 === 0) return `p50 ${duration(latency.p50)}`
  return `p50 ${duration(latency.p50)} against ${duration(baseline.p50)}`
}

/** `from` and `to` of a limit are numbers as text. */
function limitOf(text: string | undefined): string {
  const value = Number(text)
  return Number.isFinite(value) ? decimal(value) : 'none'
}

function figure(event: CoreEvent, key: string): string {
  return String(Math.round(event.readings[key] ?? 0))
}

function duration(ms = 0): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`
  return ms < 60_000 ? `${decimal(ms / 1000)} s` : `${decimal(ms / 60_000)} min`
}

function share(value = 0): string {
  return `${Math.round(value * 100)} %`
}

function decimal(value: number): string {
  return String(Math.round(value * 10) / 10)
}
