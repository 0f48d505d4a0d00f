/** Which rules take part in a call: those that match and whose condition is true, in the order of the policy. */
import { matches, type Policy, type Rule, type When } from '../policy.ts'
import type { AgentCondition, Arrival, Condition, WorkflowCondition } from '../model.ts'
import { isUnwell } from '../detect/condition.ts'
import type { OpenCall } from '../observe/open-calls.ts'
import type { UpstreamState } from '../upstream-state.ts'
import type { StaticLimits } from './static-limits.ts'

/** What rules may ask about the caller; computed only when a rule asks. */
export interface CallerConditions {
  agent(call: OpenCall): AgentCondition
  workflow(call: OpenCall): WorkflowCondition
  /** Whether the upstream told this caller's credential to wait. */
  isAskedToWait(call: OpenCall): boolean
}

export class Rulebook {
  readonly policy: Policy
  readonly #byUpstream: (readonly Rule[])[] = []
  readonly #limits: StaticLimits
  readonly #conditions: CallerConditions

  constructor(policy: Policy, limits: StaticLimits, upstreams: number, conditions: CallerConditions) {
    this.policy = policy
    this.#limits = limits
    this.#conditions = conditions
    for (let index = 0; index < upstreams; index++) {
      this.#byUpstream.push(
        policy.rules.filter((rule) => rule.mode !== 'off' && rule.match.upstreams?.[index] !== false),
      )
    }
  }

  /** -1 = none. Reading outside of an array is slow. */
  rule(index: number): Rule | undefined {
    return index < 0 ? undefined : this.policy.rules[index]
  }

  /** Writes into `call` who decides, which limits apply, and whether an enforced rule may act on it at all. */
  consult(call: OpenCall, arrival: Arrival, state: UpstreamState): void {
    const rules = this.#byUpstream[call.upstream] ?? []
    call.maxHoldMs = state.policy.hold.maxMs
    for (const rule of rules) {
      if (!matches(rule.match, arrival)) continue
      const enforced = rule.mode === 'enforce'
      if (enforced && rule.then.do !== undefined && rule.then.do !== 'pass') call.governed = true
      if (rule.when !== undefined && !this.#holds(rule.when, call, state)) continue
      this.#apply(rule, enforced, call)
    }
  }

  #apply(rule: Rule, enforced: boolean, call: OpenCall): void {
    const gates = this.#limits.of(rule)
    if (gates.length > 0 && enforced) call.gates = joined(call.gates, gates)
    else if (gates.length > 0) call.shadowGates = joined(call.shadowGates, gates)
    const caps = rule.then.fanOut
    if (caps !== undefined && enforced) {
      call.callsCap = Math.min(call.callsCap, caps.calls)
      call.depthCap = Math.min(call.depthCap, caps.depth)
    } else if (caps !== undefined) {
      call.shadowCallsCap = Math.min(call.shadowCallsCap, caps.calls)
      call.shadowDepthCap = Math.min(call.shadowDepthCap, caps.depth)
    }
    if (enforced && rule.then.priority !== undefined) call.priority = rule.then.priority
    if (rule.then.do === undefined) return
    if (enforced && call.decider === -1) {
      call.decider = rule.index
      if (rule.then.hold !== undefined) call.maxHoldMs = rule.then.hold.maxMs
    } else if (!enforced && call.shadow === -1) {
      call.shadow = rule.index
    }
  }

  /** An upstream that refuses a credential is not well for whoever calls with it, however well it is otherwise. */
  #isThus(conditions: readonly Condition[], call: OpenCall, state: UpstreamState): boolean {
    if (conditions.includes(state.condition)) return true
    return !state.unwell && conditions.some(isUnwell) && this.#conditions.isAskedToWait(call)
  }

  #holds(when: When, call: OpenCall, state: UpstreamState): boolean {
    if (when.upstream !== undefined && !this.#isThus(when.upstream, call, state)) return false
    if (when.slowdownAtLeast !== undefined && state.slowdown < when.slowdownAtLeast) return false
    if (when.errorShareAtLeast !== undefined && state.errorShare < when.errorShareAtLeast) return false
    if (when.retryShareAtLeast !== undefined && state.retryShare < when.retryShareAtLeast) return false
    if (when.retryingAgentsAtLeast !== undefined && state.retryingAgents < when.retryingAgentsAtLeast)
      return false
    if (when.inFlightAtLeast !== undefined && state.inFlight < when.inFlightAtLeast) return false
    if (when.agent !== undefined && !when.agent.includes(this.#conditions.agent(call))) return false
    return when.workflow === undefined || when.workflow.includes(this.#conditions.workflow(call))
  }
}

/** Of most calls it is one rule that limits them: its own list will do. */
function joined(first: readonly number[], second: readonly number[]): readonly number[] {
  return first.length === 0 ? second : [...first, ...second]
}
