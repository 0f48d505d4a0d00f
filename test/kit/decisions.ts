/**
 * What was decided of every call, in the order of arrivals: as a journal tells it, and as a core that is told the
 * journal's inputs decides now. Equal texts mean equal verdicts, releases, refusals and slots, to the microsecond.
 */
import type { Coordinator, FleetCore } from '../../src/core/coordinator.ts'
import type { Millis, Reason, Verdict } from '../../src/core/model.ts'
import type { Rule } from '../../src/core/policy.ts'
import { microsOf } from '../../src/journal/instant.ts'
import type { CallLine, JournalLine, JournalVerdict } from '../../src/journal/line.ts'

interface Decision {
  verdict: JournalVerdict
  member: string
  hold?: { do: 'release' | 'expire'; reason: Reason; ms: number }
  slotMs?: number
}

export function recordedDecisions(lines: readonly JournalLine[]): string[] {
  const calls = lines.filter((line): line is CallLine => line.kind === 'call')
  return calls
    .toSorted((a, b) => a.order[0]! - b.order[0]!)
    .map(({ verdict, member, upstream, hold, slotMs }) =>
      textOf({
        verdict,
        member: member ?? upstream,
        ...(hold === undefined ? {} : { hold }),
        ...(slotMs === undefined ? {} : { slotMs }),
      }),
    )
}

/** @returns the core to be told everything, and what it has decided by then */
export function decided(
  core: Coordinator & FleetCore,
  upstreams: readonly string[],
  rules: readonly Rule[],
): { readonly core: Coordinator & FleetCore; readonly texts: () => string[] } {
  const decisions: Decision[] = []
  const open: { decision: Decision; micros: number }[] = []
  const named = (verdict: Verdict): JournalVerdict => {
    const { do: kind, reason, rule, shadow } = verdict
    const name = rules[rule]?.id
    return {
      do: kind,
      reason,
      ...(name === undefined ? {} : { rule: name }),
      ...(shadow === undefined ? {} : { shadow: named(shadow) }),
    }
  }
  return {
    texts: () => decisions.map(textOf),
    core: {
      arrive(arrival) {
        const verdict = core.arrive(arrival)
        const micros = microsOf(arrival.at)
        const decision: Decision = { verdict: named(verdict), member: upstreams[verdict.upstream]! }
        if (verdict.slotAt !== 0) decision.slotMs = since(micros, verdict.slotAt)
        decisions.push(decision)
        open[arrival.call] = { decision, micros }
        return verdict
      },
      progress(mark) {
        const advice = core.progress(mark)
        const call = open[mark.call]
        if (advice.slotAt !== 0 && call !== undefined)
          call.decision.slotMs = since(call.micros, advice.slotAt)
        return advice
      },
      tick(now) {
        const directives = core.tick(now)
        for (const directive of directives) {
          if (directive.do === 'announce') continue
          const { decision, micros } = open[directive.call]!
          decision.hold = { do: directive.do, reason: directive.reason, ms: since(micros, now) }
          if (directive.do === 'release') decision.member = upstreams[directive.upstream]!
          else if (directive.slotAt !== 0) decision.slotMs = since(micros, directive.slotAt)
        }
        return directives
      },
      notDeferred: (upstream, happened) => core.notDeferred(upstream, happened),
      settle: (settlement) => core.settle(settlement),
      wakeAt: () => core.wakeAt(),
      adopt: (policy, at) => core.adopt(policy, at),
      drain: (at, until) => core.drain(at, until),
      pressure: (level) => core.pressure(level),
      summary: (upstream, now) => core.summary(upstream, now),
      learn: (view) => core.learn(view),
      outlook: (upstream) => core.outlook(upstream),
      callers: (now) => core.callers(now),
      learnCallers: (view) => core.learnCallers(view),
      callersOutlook: () => core.callersOutlook(),
      read: (now) => core.read(now),
      agents: (now, most) => core.agents(now, most),
      workflows: (now, most) => core.workflows(now, most),
    },
  }
}

/** ms from whole microseconds to an instant. */
function since(micros: number, at: Millis): Millis {
  return (microsOf(at) - micros) / 1000
}

function textOf({ verdict, member, hold, slotMs }: Decision): string {
  return JSON.stringify([verdict, member, hold, slotMs])
}
