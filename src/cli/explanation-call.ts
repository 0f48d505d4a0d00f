/** A call of a journal explained: the moment, the rules, the verdicts of then and now, and what would change it. */
import type { Verdict } from '../core/model.ts'
import {
  askVariations,
  tellCallStory,
  type CallStory,
  type VariationAnswer,
} from '../journal/replay/call-story.ts'
import type { ReplayLines } from '../journal/replay/play-runs.ts'
import type { CompiledCandidate } from '../journal/replay/side.ts'
import type { RuleNote } from '../policy/compile.ts'
import { explain, type Explanation, type Question } from './explanation.ts'
import { rounded, variationsOf } from './explanation-variations.ts'

export interface ExplainedVerdict {
  readonly do: Verdict['do']
  readonly reason: Verdict['reason']
  /** '' = none decided. */
  readonly rule: string
  /** Asked back so long after it came, ms. */
  readonly slotMs?: number
  readonly hold?: { readonly ending: string; readonly ms: number }
  readonly shadow?: { readonly do: string; readonly reason: string; readonly rule: string }
}

export interface CallExplanation {
  readonly call: {
    readonly id: string
    readonly at: string
    readonly upstream: string
    readonly agent: string
    readonly workflow: string
    readonly attempt: number
    readonly patienceMs: number | null
  }
  /** As it was taken. */
  readonly taken: ExplainedVerdict
  /** Of the given policies at the same moment. */
  readonly replayed: ExplainedVerdict
  readonly same: boolean
  /** False = the journal is not whole up to the call, or was imported: the moment is only nearly that of then. */
  readonly exact: boolean
  readonly readings: {
    readonly upstream: Readonly<Record<string, string | number | null>>
    readonly agent: Readonly<Record<string, string | number | null>>
    readonly workflow: Readonly<Record<string, string | number | null>>
  }
  readonly lastChange:
    | { readonly from: string; readonly to: string; readonly secondsBefore: number }
    | undefined
  readonly explanation: Explanation
  readonly variations: readonly {
    readonly name: string
    readonly verdict: ExplainedVerdict
    /** Another decision than `replayed`. */
    readonly changes: boolean
  }[]
}

export interface CallQuestion {
  readonly id: string
  readonly lines: () => ReplayLines
  readonly name: string
  readonly compile: (
    upstreams: readonly string[],
  ) => CompiledCandidate & { readonly notes: readonly RuleNote[] }
  readonly seed?: number
}

/** @returns undefined when the journal has no such call */
export async function explainCall(asked: CallQuestion): Promise<CallExplanation | undefined> {
  const { id, lines, seed } = asked
  let notes: readonly RuleNote[] = []
  const candidate = {
    name: asked.name,
    compile(upstreams: readonly string[]) {
      const compiled = asked.compile(upstreams)
      notes = compiled.notes
      return compiled
    },
  }
  const story = await tellCallStory(lines, id, candidate, seed)
  if (story === undefined) return undefined
  const answers = await askVariations(lines, id, candidate, variationsOf(story), seed)
  return explanationOf(story, id, notes, answers)
}

function explanationOf(
  story: CallStory,
  id: string,
  notes: readonly RuleNote[],
  answers: readonly VariationAnswer[],
): CallExplanation {
  const { header, arrival, recorded, verdict, upstream, agent, workflow, lastChange, policy } = story
  const idOf = (rule: number): string => policy.rules[rule]?.id ?? ''
  const told = (decided: Verdict): ExplainedVerdict => ({
    do: decided.do,
    reason: decided.reason,
    rule: idOf(decided.rule),
    ...(decided.slotAt > 0 ? { slotMs: rounded(decided.slotAt - arrival.at) } : {}),
    ...(decided.shadow === undefined
      ? {}
      : {
          shadow: { do: decided.shadow.do, reason: decided.shadow.reason, rule: idOf(decided.shadow.rule) },
        }),
  })
  const now = told(verdict)
  const question: Question = {
    upstream: story.upstreamName,
    agent: arrival.agent,
    path: arrival.path,
    method: arrival.method,
    priority: arrival.priority,
    verified: arrival.trust === 'verified',
    condition: upstream.condition,
    agentCondition: agent?.condition ?? 'ordinary',
    workflowCondition: workflow?.condition ?? 'ordinary',
    slowdown: rounded(upstream.slowdown),
    errorShare: rounded(upstream.errorShare),
    retryShare: rounded(upstream.retryShare),
    retryingAgents: upstream.retryingAgents,
    inFlight: upstream.inFlight,
  }
  return {
    call: {
      id,
      at: new Date(Date.parse(header.startedAt) + arrival.at).toISOString(),
      upstream: story.upstreamName,
      agent: arrival.agent,
      workflow: arrival.workflow,
      attempt: arrival.attempt,
      patienceMs: finite(arrival.patienceMs),
    },
    taken: {
      do: recorded.do,
      reason: recorded.reason,
      rule: recorded.rule,
      ...(recorded.slotMs < 0 ? {} : { slotMs: recorded.slotMs }),
      ...(recorded.ending === undefined ? {} : { hold: { ending: recorded.ending, ms: recorded.endedMs } }),
      ...(recorded.shadow === undefined ? {} : { shadow: recorded.shadow }),
    },
    replayed: {
      ...now,
      ...(story.hold === undefined ? {} : { hold: { ...story.hold, ms: rounded(story.hold.ms) } }),
    },
    same: recorded.do === now.do && recorded.reason === now.reason && recorded.rule === now.rule,
    exact: story.exact,
    readings: {
      upstream: {
        condition: upstream.condition,
        inFlight: upstream.inFlight,
        limit: finite(upstream.limit),
        held: upstream.held,
        rampRate: finite(upstream.rampRate),
        slowdown: rounded(upstream.slowdown),
        p50Ms: rounded(upstream.latency.p50),
        healthyP50Ms: rounded(upstream.baseline.p50),
        errorShare: rounded(upstream.errorShare),
        retryShare: rounded(upstream.retryShare),
        retryingAgents: upstream.retryingAgents,
        activeAgents: upstream.activeAgents,
        retryTokens: rounded(upstream.retryTokens),
      },
      agent:
        agent === undefined
          ? {}
          : {
              condition: agent.condition,
              calls: agent.calls,
              retries: rounded(agent.retries),
              failures: agent.failures,
              inFlight: agent.inFlight,
              held: agent.held,
              callsPerSecond: rounded(agent.callsPerSecond),
            },
      workflow:
        workflow === undefined
          ? {}
          : {
              condition: workflow.condition,
              calls: workflow.calls,
              inFlight: workflow.inFlight,
              width: workflow.width,
              depth: workflow.depth,
              retries: rounded(workflow.retries),
            },
    },
    lastChange:
      lastChange === undefined
        ? undefined
        : {
            from: lastChange.from ?? '',
            to: lastChange.to ?? '',
            secondsBefore: rounded((arrival.at - lastChange.at) / 1000),
          },
    explanation: explain(policy, notes, arrival.upstream, question),
    variations: answers.map(({ name, verdict: other }) => ({
      name,
      verdict: told(other),
      changes: other.do !== verdict.do,
    })),
  }
}

/** JSON has no Infinity. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? rounded(value) : null
}
