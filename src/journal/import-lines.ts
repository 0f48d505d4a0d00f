/**
 * Imported calls as the lines of a journal: in one order, with slots as a core would need them. Such a journal has no
 * `core` block: it says what was called, not what a core was told.
 */
import { IndexedHeap } from '../core/admit/indexed-heap.ts'
import type { Outcome, SettlementKind } from '../core/model.ts'
import type { ShownNames } from './hash-ids.ts'
import { headerLine } from './header.ts'
import type { ImportedCall } from './import-call.ts'
import { microsOf } from './instant.ts'
import type { CallLine, HeaderLine } from './line.ts'

export interface ImportFacts {
  /** `import:har` or `import:otlp`. */
  readonly source: string
  readonly run: string
  readonly hashIds: boolean
  readonly paths: boolean
}

/** What the data path knows of requests; `cli/import.ts` joins it. */
export interface ImportWords {
  readonly shown: ShownNames
  /** Folded template of a path. */
  template(upstream: string, path: string): string
  family(userAgent: string): string
  settlement(status: number): SettlementKind
  /** What stays the same on every attempt of one call. */
  fingerprint(call: ImportedCall): number
}

export interface ImportedJournal {
  readonly header: HeaderLine
  /** In the order of their ends, as a journal has them. */
  readonly lines: readonly CallLine[]
}

export function importedJournal(
  calls: readonly ImportedCall[],
  facts: ImportFacts,
  words: ImportWords,
): ImportedJournal {
  const zero = Math.floor(calls.reduce((least, call) => Math.min(least, call.startedAt), Infinity))
  const startedAt = Number.isFinite(zero) ? zero : 0
  const placed = calls.map((call) => place(call, startedAt))
  const places = numbered(placed)
  const lines = placed
    .map((one, index) => ({ one, numbers: places[index]! }))
    .toSorted((a, b) => a.one.endMicros - b.one.endMicros || a.numbers.slot - b.numbers.slot)
    .map(({ one, numbers }) => lineOf(one, numbers, facts, words))
  const { source, run, hashIds } = facts
  const upstreams = [...new Set(calls.map(({ upstream }) => upstream))].toSorted()
  return { header: headerLine({ source, upstreams, part: 1, run, hashedIds: hashIds }, startedAt), lines }
}

/** A call with its instants in whole microseconds since the zero of the journal. */
interface Placed {
  readonly call: ImportedCall
  readonly atMicros: number
  readonly sentMicros: number
  readonly headMicros: number
  readonly endMicros: number
}

interface Numbers {
  readonly slot: number
  readonly order: number[]
}

function place(call: ImportedCall, zero: number): Placed {
  const atMicros = microsOf(call.startedAt - zero)
  const after = (ms: number): number => (ms < 0 ? -1 : atMicros + microsOf(ms))
  const endMicros = after(Math.max(0, call.endMs))
  const within = (ms: number): number => Math.min(after(ms), endMicros)
  return {
    call,
    atMicros,
    sentMicros: within(call.sentMs),
    headMicros: within(call.headMs),
    endMicros,
  }
}

/** Everything that happened, in one order; what happened to one call in one instant stays in its own. */
function numbered(placed: readonly Placed[]): Numbers[] {
  const events: { micros: number; stage: number; index: number }[] = []
  for (const [index, { atMicros, sentMicros, headMicros, endMicros }] of placed.entries()) {
    events.push({ micros: atMicros, stage: 0, index })
    if (sentMicros >= 0) events.push({ micros: sentMicros, stage: 1, index })
    if (headMicros >= 0) events.push({ micros: headMicros, stage: 2, index })
    events.push({ micros: endMicros, stage: 3, index })
  }
  events.sort((a, b) => a.micros - b.micros || a.index - b.index || a.stage - b.stage)
  const numbers: Numbers[] = []
  const free = new IndexedHeap()
  let slots = 0
  for (const [order, { stage, index }] of events.entries()) {
    if (stage === 0) {
      const least = free.top
      const slot = least === -1 ? slots++ : least
      free.remove(slot)
      numbers[index] = { slot, order: [order] }
      continue
    }
    const own = numbers[index]!
    own.order.push(order)
    if (stage === 3) free.set(own.slot, own.slot)
  }
  return numbers
}

function lineOf(placed: Placed, { slot, order }: Numbers, facts: ImportFacts, words: ImportWords): CallLine {
  const { call, atMicros, sentMicros, headMicros, endMicros } = placed
  const { shown } = words
  const since = (micros: number): number => (micros - atMicros) / 1000
  const template = call.template === '' ? words.template(call.upstream, call.path) : call.template
  return {
    kind: 'call',
    id: call.id,
    at: atMicros / 1000,
    order,
    slot,
    upstream: call.upstream,
    agent: shown.name(call.agent),
    trust: 'claimed',
    ...(call.workflow === '' ? {} : { workflow: shown.name(call.workflow) }),
    ...(call.parent === '' ? {} : { parent: shown.name(call.parent) }),
    method: call.method,
    route: shown.route(template),
    ...(facts.paths ? { path: call.path } : {}),
    priority: 'normal',
    family: words.family(call.userAgent),
    bytes: call.requestBytes,
    ...(call.attempt === 0 ? {} : { attempt: call.attempt }),
    fingerprint: words.fingerprint(call),
    holdable: true,
    verdict: { do: 'pass', reason: 'healthy' },
    ...(sentMicros < 0 ? {} : { sentMs: since(sentMicros) }),
    ...(headMicros < 0 ? {} : { headMs: since(headMicros) }),
    endMs: since(endMicros),
    status: call.status,
    ...(call.isStream ? { streaming: true as const } : {}),
    ...(call.retryAfterMs < 0 ? {} : { retryAfterMs: call.retryAfterMs }),
    settled: settlementOf(call, words),
    ...(call.status > 0 ? { answered: true as const } : {}),
    outcome: outcomeOf(call),
    bytesIn: Math.max(0, call.requestBytes),
    bytesOut: Math.max(0, call.responseBytes),
  }
}

function settlementOf({ status, isAborted }: ImportedCall, words: ImportWords): SettlementKind {
  if (isAborted) return 'cancelled'
  return status === 0 ? 'failure' : words.settlement(status)
}

function outcomeOf({ status, isAborted }: ImportedCall): Outcome {
  if (isAborted) return 'client-gone'
  return status === 0 ? 'upstream-error' : 'passed'
}
