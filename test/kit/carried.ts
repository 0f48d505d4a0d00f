/** Stands for the proxy where there is none: says how each call ended for its client, as soon as the core is told. */
import type { Coordinator, FleetCore } from '../../src/core/coordinator.ts'
import type { CallSlot, Millis, Outcome, Verdict } from '../../src/core/model.ts'
import type { RecordedCore } from '../../src/journal/record.ts'

/** A core for a driver without a proxy. Ids are numbers in the shape of a UUID. */
export function carried(core: RecordedCore): Coordinator & FleetCore {
  const statuses: number[] = []
  const held: boolean[] = []
  let ids = 0

  function end(slot: CallSlot, status: number, outcome: Outcome, bytes: number, at: Millis): void {
    const id = `00000000-0000-4000-8000-${(ids++).toString(16).padStart(12, '0')}`
    core.ended({ slot, id, status, bytesIn: bytes, bytesOut: bytes, verdict: undefined }, outcome, at)
  }

  function refused(slot: CallSlot, verdict: Verdict, at: Millis): void {
    if (verdict.do === 'defer') end(slot, 202, 'deferred', 0, at)
    else if (verdict.do === 'shed') end(slot, verdict.slotAt === 0 ? 403 : 429, 'shed', 0, at)
  }

  return {
    arrive(arrival) {
      statuses[arrival.call] = 0
      const verdict = core.arrive(arrival)
      held[arrival.call] = verdict.do === 'hold'
      refused(arrival.call, verdict, arrival.at)
      return verdict
    },
    progress(mark) {
      if (mark.kind === 'head') statuses[mark.call] = mark.status
      return core.progress(mark)
    },
    notDeferred: (upstream, happened) => core.notDeferred(upstream, happened),
    settle(settlement) {
      core.settle(settlement)
      const { call, kind, answered, bytesOut, at } = settlement
      const passed = held[call] === true ? 'passed-after-hold' : 'passed'
      const outcome = kind === 'cancelled' ? 'client-gone' : answered ? passed : 'upstream-error'
      const status = statuses[call] ?? 0
      end(call, status === 0 && kind === 'failure' ? 502 : status, outcome, bytesOut, at)
    },
    tick(now) {
      const directives = core.tick(now)
      for (const directive of directives) {
        if (directive.do === 'expire') end(directive.call, 504, 'hold-expired', 0, now)
      }
      return directives
    },
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
  }
}
