/**
 * Calls of a journal between the reading of their line and their last event, in columns: some 250 bytes a call where
 * the parsed line takes a kilobyte. Rows are reused, so memory follows the calls that wait, not the journal.
 */
import {
  OUTCOMES,
  PRIORITIES,
  REASONS,
  SETTLEMENTS,
  VERDICTS,
  type Arrival,
  type Millis,
  type Outcome,
  type Quota,
  type Reason,
  type SettlementKind,
  type VerdictKind,
} from '../../core/model.ts'
import {
  AGENT,
  AT,
  ATTEMPT,
  BIT,
  BITS,
  BYTES,
  BYTES_IN,
  BYTES_OUT,
  CREDENTIAL,
  END_MS,
  END_STATUS,
  FAMILY,
  FINGERPRINT,
  HEAD_MS,
  HEAD_STATUS,
  HOLD_MS,
  METHOD,
  NAMES,
  ONCE_KEY,
  PARENT,
  PATH,
  PATIENCE_MS,
  RETRY_AFTER_MS,
  ROUTE,
  RULE,
  SENT_MS,
  SHADOW_RULE,
  SLOT,
  SLOT_MS,
  STRIDE,
  TRUSTS,
  WORKFLOW,
  type NameList,
  type PackedLines,
  type RareFields,
} from './packed-lines.ts'

const FIRST_CAPACITY = 1024
const CRITICAL = PRIORITIES.indexOf('critical')

/** A verdict as the journal has it. */
export interface TakenVerdict {
  readonly do: VerdictKind
  readonly reason: Reason
  /** Id of the rule; '' = none. */
  readonly rule: string
}

export class CallRows {
  /** Who still needs the row: events to come, and every playback in which the call is not over. */
  users = new Int32Array(FIRST_CAPACITY)
  /** Recorded events that were played, as bits of the player's. */
  played = new Uint8Array(FIRST_CAPACITY)
  upstream = new Uint16Array(FIRST_CAPACITY)
  readonly id: string[] = []
  /** Some call came with its path. */
  hasPaths = false
  #numbers = new Float64Array(FIRST_CAPACITY * STRIDE)
  readonly #agent: string[] = []
  readonly #workflow: string[] = []
  readonly #parent: string[] = []
  readonly #method: string[] = []
  readonly #route: string[] = []
  readonly #path: string[] = []
  readonly #family: string[] = []
  readonly #rule: string[] = []
  readonly #shadowRule: string[] = []
  readonly #rare = new Map<number, RareFields>()
  readonly #free: number[] = []
  #used = 0

  /** Rows in use. */
  get size(): number {
    return this.#used - this.#free.length
  }

  get capacity(): number {
    return this.users.length
  }

  /** @param upstream index of the call's upstream. @returns the row */
  add(packed: PackedLines, call: number, id: string, list: NameList, upstream: number): number {
    const row = this.#free.pop() ?? this.#used++
    if (row >= this.capacity) this.#grow()
    const numbers = this.#numbers
    const from = packed.numbers
    let target = row * STRIDE
    for (let place = call * STRIDE; place < (call + 1) * STRIDE; place++) numbers[target++] = from[place]!
    this.users[row] = 0
    this.played[row] = 0
    this.upstream[row] = upstream
    this.id[row] = id
    const { names } = packed
    const n = call * NAMES
    this.#agent[row] = list.name(names[n + AGENT]!)
    this.#workflow[row] = list.name(names[n + WORKFLOW]!)
    this.#parent[row] = list.name(names[n + PARENT]!)
    this.#method[row] = list.name(names[n + METHOD]!)
    this.#route[row] = list.name(names[n + ROUTE]!)
    this.#path[row] = list.name(names[n + PATH]!)
    this.#family[row] = list.name(names[n + FAMILY]!)
    this.#rule[row] = list.name(names[n + RULE]!)
    this.#shadowRule[row] = list.name(names[n + SHADOW_RULE]!)
    if (names[n + PATH] !== 0) this.hasPaths = true
    return row
  }

  addRare(row: number, fields: RareFields): void {
    this.#rare.set(row, fields)
  }

  /** One user less; without any the row is free for another call. */
  leave(row: number): void {
    const left = this.users[row]! - 1
    this.users[row] = left
    if (left > 0) return
    if (this.#rare.size > 0) this.#rare.delete(row)
    this.id[row] = ''
    this.#free.push(row)
  }

  /** Fills the caller's record; `at` and `call` stay the caller's. */
  fill(row: number, arrival: Arrival): void {
    const n = row * STRIDE
    const numbers = this.#numbers
    const bits = numbers[n + BITS]!
    arrival.upstream = this.upstream[row]!
    arrival.agent = this.#agent[row]!
    arrival.trust = TRUSTS[(bits >>> BIT.trust) & 3] ?? 'derived'
    arrival.workflow = this.#workflow[row]!
    arrival.parent = this.#parent[row]!
    arrival.method = this.#method[row]!
    arrival.route = this.#route[row]!
    // Without `journal.paths` the rules can only be held against the folded path.
    arrival.path = this.#path[row] === '' ? this.#route[row]! : this.#path[row]!
    arrival.bytes = numbers[n + BYTES]!
    arrival.priority = PRIORITIES[(bits >>> BIT.priority) & 3]!
    arrival.family = this.#family[row]!
    arrival.patienceMs = numbers[n + PATIENCE_MS]!
    arrival.attempt = numbers[n + ATTEMPT]!
    arrival.onceKey = numbers[n + ONCE_KEY]!
    arrival.fingerprint = numbers[n + FINGERPRINT]!
    arrival.credential = numbers[n + CREDENTIAL]!
    arrival.longLived = ((bits >>> BIT.longLived) & 1) === 1
    arrival.holdable = ((bits >>> BIT.holdable) & 1) === 1
    arrival.deferrable = ((bits >>> BIT.deferrable) & 1) === 1
  }

  /** ms since the start of the journal; the times below count from it, and -1 = did not happen. */
  at(row: number): Millis {
    return this.#numbers[row * STRIDE + AT]!
  }

  sentMs(row: number): Millis {
    return this.#numbers[row * STRIDE + SENT_MS]!
  }

  headMs(row: number): Millis {
    return this.#numbers[row * STRIDE + HEAD_MS]!
  }

  endMs(row: number): Millis {
    return this.#numbers[row * STRIDE + END_MS]!
  }

  /** When the core ended its hold; -1 also when its client or Weir did. */
  holdMs(row: number): Millis {
    return this.#numbers[row * STRIDE + HOLD_MS]!
  }

  /** When its caller was asked back. */
  slotMs(row: number): Millis {
    return this.#numbers[row * STRIDE + SLOT_MS]!
  }

  retryAfterMs(row: number): Millis {
    return this.#numbers[row * STRIDE + RETRY_AFTER_MS]!
  }

  patienceMs(row: number): Millis {
    return this.#numbers[row * STRIDE + PATIENCE_MS]!
  }

  /** Told to the core with the head, and with the end; 0 = none. */
  headStatus(row: number): number {
    return this.#numbers[row * STRIDE + HEAD_STATUS]!
  }

  endStatus(row: number): number {
    return this.#numbers[row * STRIDE + END_STATUS]!
  }

  /** In the live run. */
  slot(row: number): number {
    return this.#numbers[row * STRIDE + SLOT]!
  }

  bytesIn(row: number): number {
    return this.#numbers[row * STRIDE + BYTES_IN]!
  }

  bytesOut(row: number): number {
    return this.#numbers[row * STRIDE + BYTES_OUT]!
  }

  agent(row: number): string {
    return this.#agent[row]!
  }

  route(row: number): string {
    return this.#route[row]!
  }

  isReleased(row: number): boolean {
    return this.#bits(row, BIT.released, 1) === 1
  }

  isExpired(row: number): boolean {
    return this.#bits(row, BIT.expired, 1) === 1
  }

  isCritical(row: number): boolean {
    return this.#bits(row, BIT.priority, 3) === CRITICAL
  }

  isStreaming(row: number): boolean {
    return this.#bits(row, BIT.streaming, 1) === 1
  }

  isAnswered(row: number): boolean {
    return this.#bits(row, BIT.answered, 1) === 1
  }

  /** How the core was told that it ended; undefined = it was not. */
  settled(row: number): SettlementKind | undefined {
    const settled = this.#bits(row, BIT.settled, 7)
    return settled === 0 ? undefined : SETTLEMENTS[settled - 1]
  }

  outcome(row: number): Outcome {
    return OUTCOMES[this.#bits(row, BIT.outcome, 7)]!
  }

  verdict(row: number): VerdictKind {
    return VERDICTS[this.#bits(row, BIT.verdict, 3)]!
  }

  reason(row: number): Reason {
    return REASONS[this.#bits(row, BIT.reason, 31)]!
  }

  rule(row: number): string {
    return this.#rule[row]!
  }

  shadow(row: number): TakenVerdict | undefined {
    const kind = this.#bits(row, BIT.shadow, 7)
    if (kind === 0) return undefined
    const reason = REASONS[this.#bits(row, BIT.shadowReason, 31)]!
    return { do: VERDICTS[kind - 1]!, reason, rule: this.#shadowRule[row]! }
  }

  chunks(row: number): readonly number[] | undefined {
    return this.#rare.size === 0 ? undefined : this.#rare.get(row)?.chunks
  }

  quota(row: number): Quota | undefined {
    return this.#rare.size === 0 ? undefined : this.#rare.get(row)?.quota
  }

  #bits(row: number, shift: number, mask: number): number {
    return (this.#numbers[row * STRIDE + BITS]! >>> shift) & mask
  }

  #grow(): void {
    const capacity = this.capacity * 2
    this.users = grown(this.users, new Int32Array(capacity))
    this.played = grown(this.played, new Uint8Array(capacity))
    this.upstream = grown(this.upstream, new Uint16Array(capacity))
    this.#numbers = grown(this.#numbers, new Float64Array(capacity * STRIDE))
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from)
  return to
}
