/** What to ask about a call that was decided: the fields and numbers that could have made it otherwise. */
import { PRIORITIES } from '../core/model.ts'
import type { Policy, Rule, When } from '../core/policy.ts'
import type { CallStory, Variation } from '../journal/replay/call-story.ts'

/** Names that no journal has. */
const NOBODY = 'weir-explain-nobody'
const OTHER_CALL = 0x5eed_0123_4567

/** The nearest first; each is asked of a core of its own, so they are few. */
export function variationsOf(story: CallStory): Variation[] {
  const { arrival, upstream, verdict, policy } = story
  const priorities = PRIORITIES.filter((priority) => priority !== arrival.priority)
  const asOthers = priorities.map((priority): Variation => ({
    name: `as ${priority}`,
    change: (other) => (other.priority = priority),
  }))
  if (verdict.do === 'pass') return [...asOthers, ...enforced(policy)]
  const room = upstream.inFlight - Math.ceil(upstream.limit) + 1
  const few = Number.isFinite(room) && room > 0 ? [room] : []
  const relieved = [...new Set([...few, upstream.inFlight])].filter((calls) => calls > 0)
  return [
    ...relieved.map((fewer): Variation => ({ name: `at ${fewer} fewer in flight`, fewer })),
    ...(upstream.held === 0
      ? []
      : [{ name: `with nobody held before it (${upstream.held} are)`, alone: true } satisfies Variation]),
    ...asOthers,
    {
      name: 'as the first try of another call',
      change(other) {
        other.attempt = 1
        other.onceKey = 0
        other.fingerprint = OTHER_CALL
      },
    },
    { name: 'from an agent that was never seen', change: (other) => (other.agent = NOBODY) },
    {
      name: 'in a workflow of its own',
      change(other) {
        other.workflow = NOBODY
        other.parent = ''
      },
    },
    ...(arrival.credential === 0
      ? []
      : [{ name: 'with another credential', change: (other) => (other.credential = 1) } satisfies Variation]),
    ...(arrival.patienceMs === Infinity
      ? []
      : [
          {
            name: 'with a client that waits for ever',
            change: (other) => (other.patienceMs = Infinity),
          } satisfies Variation,
        ]),
    ...(arrival.holdable
      ? []
      : [
          {
            name: 'with a body that can be held',
            change: (other) => (other.holdable = true),
          } satisfies Variation,
        ]),
    ...asleep(story),
  ]
}

function isShadow(rule: Rule): boolean {
  return rule.mode === 'shadow'
}

function enforced(policy: Policy): Variation[] {
  if (!policy.rules.some(isShadow)) return []
  const rules = policy.rules.map((rule) => (isShadow(rule) ? { ...rule, mode: 'enforce' as const } : rule))
  return [{ name: 'with the rules in shadow mode enforced', policy: { ...policy, rules } }]
}

/** Policies in which what decided does not take part, named by what would put it to sleep. */
function asleep({ policy, verdict, upstream }: CallStory): Variation[] {
  const variations: Variation[] = []
  const isHealthy = upstream.condition === 'healthy'
  if (!isHealthy) {
    const well = without(policy, (rule) => rule.when?.upstream?.includes('healthy') === false)
    if (well !== undefined) variations.push({ name: 'with condition healthy', policy: well })
  }
  const decider = policy.rules[verdict.rule]
  if (decider === undefined) return variations
  const policyWithout = without(policy, (rule) => rule === decider)
  if (policyWithout === undefined) return variations
  const sleeps = sleepsBelow(decider.when, upstream)
  const name = sleeps === '' ? `without ${decider.id}` : `with ${sleeps}: ${decider.id} sleeps then`
  return [...variations, { name, policy: policyWithout }]
}

function without(policy: Policy, isOff: (rule: Rule) => boolean): Policy | undefined {
  if (!policy.rules.some((rule) => rule.mode !== 'off' && isOff(rule))) return undefined
  // Rules keep their places: verdicts name them by index.
  const rules = policy.rules.map((rule) => (isOff(rule) ? { ...rule, mode: 'off' as const } : rule))
  return { ...policy, rules }
}

/** The thresholds that hold a rule awake, with the readings that reach them. */
function sleepsBelow(when: When | undefined, upstream: CallStory['upstream']): string {
  if (when === undefined) return ''
  const says: string[] = []
  const below = (name: string, threshold: number | undefined, reading: number): void => {
    if (threshold !== undefined) says.push(`${name} below ${threshold} (it is ${rounded(reading)})`)
  }
  below('slowdown', when.slowdownAtLeast, upstream.slowdown)
  below('error share', when.errorShareAtLeast, upstream.errorShare)
  below('retry share', when.retryShareAtLeast, upstream.retryShare)
  below('retrying agents', when.retryingAgentsAtLeast, upstream.retryingAgents)
  below('in flight', when.inFlightAtLeast, upstream.inFlight)
  if (when.upstream !== undefined && says.length === 0) return ''
  return says.join(' or ')
}

export function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
