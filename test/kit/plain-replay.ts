/**
 * The plainest replay there is: all inputs of a journal in their order, told to a fresh core. What the cores answered
 * is noted as text, so that two runs can be compared call for call, instants of releases and slots and all.
 */
import type { Coordinator, FleetCore } from '../../src/core/coordinator.ts'
import type { Arrival } from '../../src/core/model.ts'
import type { Policy } from '../../src/core/policy.ts'
import { HeardReader } from '../../src/journal/heard-words.ts'
import { instantAfter } from '../../src/journal/instant.ts'
import type { CallLine, JournalLine } from '../../src/journal/line.ts'
import { statusAtEnd, statusAtHead } from '../../src/journal/status.ts'

/** The core, with everything that it says noted in `notes`. */
export function noted(core: Coordinator & FleetCore, notes: string[]): Coordinator & FleetCore {
  return {
    ...face(core),
    arrive(arrival) {
      const verdict = core.arrive(arrival)
      notes.push(`arrive ${arrival.at} ${JSON.stringify(verdict)}`)
      return verdict
    },
    progress(mark) {
      const advice = core.progress(mark)
      notes.push(`${mark.kind} ${mark.at} ${advice.slotAt}`)
      return advice
    },
    settle(settlement) {
      core.settle(settlement)
      notes.push(`settle ${settlement.at}`)
    },
    tick(now) {
      const directives = core.tick(now)
      notes.push(`tick ${now} ${JSON.stringify(directives)}`)
      return directives
    },
  }
}

/** Tells `core` what the lines say that another one was told. */
export function replay(
  lines: readonly JournalLine[],
  core: Coordinator & FleetCore,
  upstreams: readonly string[],
  policies: ReadonlyMap<number | string, Policy> = new Map(),
): void {
  const inputs: [order: number, run: () => void][] = []
  const heard = new HeardReader()
  for (const line of lines) {
    if (line.kind === 'call') inputs.push(...inputsOf(line, core, upstreams))
    else if (line.kind === 'ticks')
      for (const [order, at] of pairs(line.ticks)) inputs.push([order, () => core.tick(at)])
    else if (line.kind === 'marks')
      for (const [order, at] of pairs(line.marks))
        inputs.push([order, () => core.progress({ kind: 'chunk', call: line.slot, at })])
    else if (line.kind === 'input') {
      const { order, at, input, value } = line
      if (input === 'adopt') inputs.push([order, () => core.adopt(policies.get(value)!, at)])
      if (input === 'drain') inputs.push([order, () => core.drain(at, Number(value))])
      if (input === 'pressure') inputs.push([order, () => core.pressure(Number(value))])
      if (input === 'summary') inputs.push([order, () => core.summary(Number(value), at)])
      if (input === 'learn') inputs.push([order, () => core.learn(heard.fleet(String(value)))])
      if (input === 'callers') inputs.push([order, () => core.callers(at)])
      if (input === 'learn-callers')
        inputs.push([order, () => core.learnCallers(heard.callers(String(value)))])
      if (input === 'touch') inputs.push([order, () => core.progress({ kind: 'chunk', call: -1, at })])
    }
  }
  inputs.sort(([a], [b]) => a - b)
  for (const [, run] of inputs) run()
}

function inputsOf(
  line: CallLine,
  core: Coordinator & FleetCore,
  upstreams: readonly string[],
): [order: number, run: () => void][] {
  const { slot: call, at, order, sentMs, headMs, settled, bytesIn, bytesOut, answered = false } = line
  const after = (ms: number): number => instantAfter(at, ms)
  const orders = [...order]
  const inputs: [number, () => void][] = [[orders.shift()!, () => core.arrive(arrivalOf(line, upstreams))]]
  if (sentMs !== undefined)
    inputs.push([orders.shift()!, () => core.progress({ kind: 'sent', call, at: after(sentMs) })])
  for (const [place, ms] of pairs(line.resent ?? []))
    inputs.push([place, () => core.progress({ kind: 'sent', call, at: after(ms) })])
  if (headMs !== undefined) {
    const { retryAfterMs = -1, streaming = false, quota } = line
    const status = statusAtHead(line)
    inputs.push([
      orders.shift()!,
      () => core.progress({ kind: 'head', call, at: after(headMs), status, streaming, retryAfterMs, quota }),
    ])
  }
  for (const [place, ms] of pairs(line.chunks ?? []))
    inputs.push([place, () => core.progress({ kind: 'chunk', call, at: after(ms) })])
  if (settled !== undefined) {
    const end = { call, at: after(line.endMs), kind: settled, status: statusAtEnd(line), answered }
    inputs.push([orders.shift()!, () => core.settle({ ...end, bytesIn, bytesOut })])
  }
  return inputs
}

function arrivalOf(line: CallLine, upstreams: readonly string[]): Arrival {
  return {
    at: line.at,
    call: line.slot,
    upstream: upstreams.indexOf(line.upstream),
    agent: line.agent,
    trust: line.trust,
    workflow: line.workflow ?? '',
    parent: line.parent ?? '',
    method: line.method,
    path: line.path ?? line.route,
    route: line.route,
    bytes: line.bytes,
    priority: line.priority,
    family: line.family,
    patienceMs: line.patienceMs ?? Infinity,
    attempt: line.attempt ?? 0,
    onceKey: line.onceKey ?? 0,
    fingerprint: line.fingerprint,
    credential: line.credential ?? 0,
    longLived: line.longLived ?? false,
    holdable: line.holdable ?? false,
    deferrable: line.deferrable ?? false,
  }
}

function pairs(flat: readonly number[]): [number, number][] {
  const found: [number, number][] = []
  for (let index = 0; index + 1 < flat.length; index += 2) found.push([flat[index]!, flat[index + 1]!])
  return found
}

function face(core: Coordinator & FleetCore): Coordinator & FleetCore {
  return {
    arrive: (arrival) => core.arrive(arrival),
    progress: (mark) => core.progress(mark),
    notDeferred: (upstream, happened) => core.notDeferred(upstream, happened),
    settle: (settlement) => core.settle(settlement),
    tick: (now) => core.tick(now),
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
