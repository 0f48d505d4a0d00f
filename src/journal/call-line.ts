/**
 * The line of a call: see `CallLine` for what each field means. What is constant stands in `PARTS`; what an agent's
 * calls have in common is kept from its last call.
 */
import { OUTCOMES, SETTLEMENTS, type Outcome, type SettlementKind, type Verdict } from '../core/model.ts'
import type { Rule } from '../core/policy.ts'
import type { CallRecord } from './call-record.ts'
import type { ShownNames } from './hash-ids.ts'
import { ascii, LineBytes } from './line-bytes.ts'

export interface CallLineOptions {
  /** Names by upstream index. */
  readonly upstreams: readonly string[]
  readonly shown: ShownNames
  /** The path as the rules see it goes into the line too. */
  readonly paths: boolean
}

/** Agents whose last call is remembered; forgotten all at once. About 2 MB. */
const REMEMBERED = 4096

/** What the calls of an agent mostly have in common, and its text. */
interface Habit {
  readonly upstream: number
  readonly trust: string
  readonly method: string
  readonly route: string
  readonly priority: string
  readonly family: string
  readonly patienceMs: number
  readonly credential: number
  readonly flags: number
  readonly text: Uint8Array
}

/** Writes whole records, without an end of line. */
export class CallLines {
  readonly #options: CallLineOptions
  readonly #habits = new Map<string, Habit>()
  readonly #scratch = new LineBytes()
  /** Mostly the same as that of the call before. */
  #verdict: Verdict | undefined
  #rules: readonly Rule[] | undefined
  #verdictText: Uint8Array = ascii('')

  constructor(options: CallLineOptions) {
    this.#options = options
  }

  write(out: LineBytes, call: CallRecord): void {
    const { upstreams, shown, paths } = this.#options
    out.put(PARTS.id).raw(call.id).put(PARTS.at).ms(call.atMicros)
    writeOrder(out, call)
    out.put(PARTS.slot).whole(call.slot).put(this.#habit(call))
    if (call.member !== call.upstream) out.put(PARTS.member).quoted(upstreams[call.member] ?? '')
    if (call.workflow !== '') out.put(PARTS.workflow).quoted(shown.name(call.workflow))
    if (call.parent !== '') out.put(PARTS.parent).quoted(shown.name(call.parent))
    if (paths) out.put(PARTS.path).quoted(call.path)
    out.put(PARTS.bytes).number(call.bytes)
    if (call.attempt !== 0) out.put(PARTS.attempt).number(call.attempt)
    out.put(PARTS.fingerprint).number(call.fingerprint)
    if (call.onceKey !== 0) out.put(PARTS.onceKey).number(call.onceKey)
    if (call.verdict !== undefined) out.put(this.#verdictOf(call.verdict, call.rules))
    writeWait(out, call)
    writeAnswer(out, call)
  }

  #habit(call: CallRecord): Uint8Array {
    const flags = (call.longLived ? 1 : 0) + (call.holdable ? 2 : 0) + (call.deferrable ? 4 : 0)
    const known = this.#habits.get(call.agent)
    if (
      known !== undefined &&
      known.upstream === call.upstream &&
      known.trust === call.trust &&
      known.method === call.method &&
      known.route === call.route &&
      known.priority === call.priority &&
      known.family === call.family &&
      known.patienceMs === call.patienceMs &&
      known.credential === call.credential &&
      known.flags === flags
    ) {
      return known.text
    }
    const { upstream, trust, method, route, priority, family, patienceMs, credential } = call
    const text = this.#habitText(call)
    if (known === undefined && this.#habits.size >= REMEMBERED) this.#habits.clear()
    const habit = { upstream, trust, method, route, priority, family, patienceMs, credential, flags, text }
    this.#habits.set(call.agent, habit)
    return text
  }

  #habitText(call: CallRecord): Uint8Array {
    const { upstreams, shown } = this.#options
    const out = this.#scratch
      .begin()
      .raw(',"upstream":')
      .quoted(upstreams[call.upstream] ?? '')
    out.raw(',"agent":').quoted(shown.name(call.agent)).raw(',"trust":"').raw(call.trust)
    out.raw('","method":').quoted(call.method).raw(',"route":').quoted(shown.route(call.route))
    out.raw(',"priority":"').raw(call.priority).raw('","family":').quoted(call.family)
    if (call.patienceMs !== Infinity) out.raw(',"patienceMs":').number(call.patienceMs)
    if (call.credential !== 0) out.raw(',"credential":').number(call.credential)
    if (call.longLived) out.raw(',"longLived":true')
    if (call.holdable) out.raw(',"holdable":true')
    if (call.deferrable) out.raw(',"deferrable":true')
    return out.copy()
  }

  #verdictOf(verdict: Verdict, rules: readonly Rule[]): Uint8Array {
    if (this.#verdict !== undefined && rules === this.#rules && readsLike(verdict, this.#verdict))
      return this.#verdictText
    this.#verdict = verdict
    this.#rules = rules
    writeVerdict(this.#scratch.begin().raw(',"verdict":'), verdict, rules)
    this.#verdictText = this.#scratch.copy()
    return this.#verdictText
  }
}

function writeOrder(out: LineBytes, call: CallRecord): void {
  out.put(PARTS.order).whole(call.arriveOrder)
  if (call.sentMicros !== -1) out.raw(',').whole(call.sentOrder)
  if (call.headMicros !== -1) out.raw(',').whole(call.headOrder)
  if (call.settled !== undefined) out.raw(',').whole(call.endOrder)
  out.raw(']')
}

/** Whether two verdicts read alike in a line. */
function readsLike(one: Verdict, other: Verdict): boolean {
  if (one.do !== other.do || one.reason !== other.reason || one.rule !== other.rule) return false
  if (one.shadow === undefined || other.shadow === undefined) return one.shadow === other.shadow
  return readsLike(one.shadow, other.shadow)
}

function writeVerdict(out: LineBytes, verdict: Verdict, rules: readonly Rule[]): void {
  out.raw('{"do":"').raw(verdict.do).raw('","reason":"').raw(verdict.reason).raw('"')
  const rule = verdict.rule === -1 ? undefined : rules[verdict.rule]
  if (rule !== undefined) out.raw(',"rule":').quoted(rule.id)
  if (verdict.shadow !== undefined) writeVerdict(out.raw(',"shadow":'), verdict.shadow, rules)
  out.raw('}')
}

function writeWait(out: LineBytes, call: CallRecord): void {
  if (call.verdict?.do === 'hold') {
    out.put(PARTS.heldMs).ms(call.holdEnd === '' ? call.endMicros : call.holdMicros)
    if (call.holdEnd !== '') {
      out.raw(',"hold":{"do":"').raw(call.holdEnd).raw('","reason":"').raw(call.holdReason)
      out.raw('","ms":').ms(call.holdMicros).raw('}')
    }
  }
  if (call.slotMicros !== -1) out.put(PARTS.slotMs).ms(call.slotMicros)
  if (call.refusal !== undefined) out.raw(',"refusal":"').raw(call.refusal).raw('"')
}

function writeAnswer(out: LineBytes, call: CallRecord): void {
  const hasHead = call.headMicros !== -1
  if (call.sentMicros !== -1) out.put(PARTS.sentMs).ms(call.sentMicros)
  if (hasHead) out.put(PARTS.headMs).ms(call.headMicros)
  out.put(PARTS.endMs).ms(call.endMicros)
  if (call.resent.length > 0) out.raw(',"resent":').pairs(call.resent)
  out.put(PARTS.status).number(call.status)
  if (hasHead && call.headStatus !== call.status) out.raw(',"upstreamStatus":').number(call.headStatus)
  if (call.settled !== undefined && call.settledStatus !== (hasHead ? call.headStatus : 0))
    out.raw(',"settledStatus":').number(call.settledStatus)
  if (call.streaming) out.raw(',"streaming":true')
  if (call.chunks.length > 0) out.raw(',"chunks":').pairs(call.chunks)
  if (call.retryAfterMs !== -1) out.raw(',"retryAfterMs":').number(call.retryAfterMs)
  if (call.quota !== undefined) {
    const { limit, remaining, resetMs } = call.quota
    out.raw(',"quota":{"limit":').number(limit).raw(',"remaining":').number(remaining)
    out.raw(',"resetMs":').number(resetMs).raw('}')
  }
  out.put(endText(call)).number(call.bytesIn).put(PARTS.bytesOut).number(call.bytesOut).raw('}')
}

function endText({ settled, answered, outcome }: CallRecord): Uint8Array {
  if (settled === undefined) return UNSETTLED[outcome]
  return (answered ? ANSWERED : SETTLED)[settled][outcome]
}

const PARTS = {
  id: ascii('{"kind":"call","id":"'),
  at: ascii('","at":'),
  order: ascii(',"order":['),
  slot: ascii(',"slot":'),
  member: ascii(',"member":'),
  workflow: ascii(',"workflow":'),
  parent: ascii(',"parent":'),
  path: ascii(',"path":'),
  bytes: ascii(',"bytes":'),
  attempt: ascii(',"attempt":'),
  fingerprint: ascii(',"fingerprint":'),
  onceKey: ascii(',"onceKey":'),
  heldMs: ascii(',"heldMs":'),
  slotMs: ascii(',"slotMs":'),
  sentMs: ascii(',"sentMs":'),
  headMs: ascii(',"headMs":'),
  endMs: ascii(',"endMs":'),
  status: ascii(',"status":'),
  bytesOut: ascii(',"bytesOut":'),
} as const

type ByOutcome = Readonly<Record<Outcome, Uint8Array>>

const UNSETTLED = byOutcome('')
const SETTLED = bySettlement('')
const ANSWERED = bySettlement(',"answered":true')

function bySettlement(answered: string): Readonly<Record<SettlementKind, ByOutcome>> {
  return tableOf(SETTLEMENTS, (kind) => byOutcome(`,"settled":"${kind}"${answered}`))
}

function byOutcome(before: string): ByOutcome {
  return tableOf(OUTCOMES, (outcome) => ascii(`${before},"outcome":"${outcome}","bytesIn":`))
}

function tableOf<K extends string, V>(keys: readonly K[], value: (key: K) => V): Readonly<Record<K, V>> {
  // Object.fromEntries forgets the keys' type.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return Object.fromEntries(keys.map((key) => [key, value(key)])) as Record<K, V>
}
