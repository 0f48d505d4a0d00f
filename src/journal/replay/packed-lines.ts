/**
 * Lines of a journal as numbers: what a thread that reads and parses can hand to the one that replays without either
 * of them touching every field as an object again. A call is `STRIDE` doubles, its orders four more, its names
 * numbers of a dictionary that both sides grow alike; ids are one text. Other lines are few, and go as they are.
 */
import {
  OUTCOMES,
  PRIORITIES,
  REASONS,
  SETTLEMENTS,
  VERDICTS,
  type Quota,
  type Trust,
} from '../../core/model.ts'
import type { CallLine, JournalLine } from '../line.ts'
import { statusAtEnd, statusAtHead } from '../status.ts'

/** Places of a call's numbers. Times are ms; those but `at` count from it, -1 = did not happen. */
export const AT = 0
export const SENT_MS = 1
export const HEAD_MS = 2
export const END_MS = 3
/** When the core ended its hold; -1 = it was not held, or its client or Weir ended it. */
export const HOLD_MS = 4
/** When its caller was asked back. */
export const SLOT_MS = 5
export const RETRY_AFTER_MS = 6
export const PATIENCE_MS = 7
export const SLOT = 8
export const ATTEMPT = 9
export const FINGERPRINT = 10
export const ONCE_KEY = 11
export const CREDENTIAL = 12
export const BYTES = 13
export const BYTES_IN = 14
export const BYTES_OUT = 15
/** Statuses that the core was told with the head and with the end; 0 = none. */
export const HEAD_STATUS = 16
export const END_STATUS = 17
/** Flags and words of closed lists, see `BIT`. */
export const BITS = 18
export const STRIDE = 19

/** Places of a call's names. */
export const UPSTREAM = 0
export const AGENT = 1
export const WORKFLOW = 2
export const PARENT = 3
export const METHOD = 4
export const ROUTE = 5
export const PATH = 6
export const FAMILY = 7
export const RULE = 8
export const SHADOW_RULE = 9
export const NAMES = 10

/** Orders of arrival, sent, head and end; -1 = did not happen. */
export const ORDERS = 4

/** Shifts into `BITS`; a word that may be absent is its number plus one. */
export const BIT = {
  longLived: 0,
  holdable: 1,
  deferrable: 2,
  streaming: 3,
  answered: 4,
  released: 5,
  expired: 6,
  trust: 7,
  priority: 9,
  settled: 11,
  verdict: 14,
  reason: 16,
  shadow: 21,
  shadowReason: 24,
  outcome: 29,
} as const

export const TRUSTS = ['verified', 'claimed', 'derived'] as const satisfies readonly Trust[]
const TRUST = numbered(TRUSTS)
const PRIORITY = numbered(PRIORITIES)
const SETTLEMENT = numbered(SETTLEMENTS)
const VERDICT = numbered(VERDICTS)
const REASON = numbered(REASONS)
const OUTCOME = numbered(OUTCOMES)

/** What few calls have. */
export interface RareFields {
  readonly chunks: readonly number[] | undefined
  readonly resent: readonly number[] | undefined
  readonly quota: Quota | undefined
}

export interface PackedLines {
  readonly calls: number
  readonly numbers: Float64Array<ArrayBuffer>
  readonly orders: Float64Array<ArrayBuffer>
  readonly names: Uint32Array<ArrayBuffer>
  /** One a line, in the order of the calls. */
  readonly ids: string
  readonly rare: readonly (readonly [call: number, fields: RareFields])[]
  /** Lines of other kinds, each before the call of that number. */
  readonly others: readonly (readonly [call: number, line: JournalLine])[]
  /** Names that are new in the dictionary, in the order of their numbers. */
  readonly newNames: readonly string[]
  /** The dictionary starts anew with `newNames`. */
  readonly forgets: boolean
}

/** Names are forgotten all at once past this: workflows come without end. */
const MOST_NAMES = 1 << 17

/** One side of the dictionary: turns lines into numbers. */
export class LinePacker {
  #names = new Map<string, number>()

  pack(lines: readonly JournalLine[]): PackedLines {
    const most = lines.length
    const numbers = new Float64Array(most * STRIDE)
    const orders = new Float64Array(most * ORDERS)
    const names = new Uint32Array(most * NAMES)
    const newNames: string[] = []
    const rare: [number, RareFields][] = []
    const others: [number, JournalLine][] = []
    const forgets = this.#names.size > MOST_NAMES
    if (forgets) this.#names = new Map()
    let calls = 0
    let ids = ''
    for (const line of lines) {
      if (line.kind !== 'call') {
        others.push([calls, line])
        continue
      }
      packNumbers(line, numbers, calls * STRIDE)
      packOrders(line, orders, calls * ORDERS)
      this.#packNames(line, names, calls * NAMES, newNames)
      ids += calls === 0 ? line.id : `\n${line.id}`
      const { chunks, resent, quota } = line
      if (chunks !== undefined || resent !== undefined || quota !== undefined) {
        rare.push([calls, { chunks, resent, quota }])
      }
      calls += 1
    }
    return { calls, numbers, orders, names, ids, rare, others, newNames, forgets }
  }

  #packNames(line: CallLine, names: Uint32Array, n: number, newNames: string[]): void {
    const { verdict } = line
    names[n + UPSTREAM] = this.#number(line.upstream, newNames)
    names[n + AGENT] = this.#number(line.agent, newNames)
    names[n + WORKFLOW] = this.#number(line.workflow, newNames)
    names[n + PARENT] = this.#number(line.parent, newNames)
    names[n + METHOD] = this.#number(line.method, newNames)
    names[n + ROUTE] = this.#number(line.route, newNames)
    names[n + PATH] = this.#number(line.path, newNames)
    names[n + FAMILY] = this.#number(line.family, newNames)
    names[n + RULE] = this.#number(verdict.rule, newNames)
    names[n + SHADOW_RULE] = this.#number(verdict.shadow?.rule, newNames)
  }

  /** 0 = none. */
  #number(name: string | undefined, newNames: string[]): number {
    if (name === undefined || name === '') return 0
    const known = this.#names.get(name)
    if (known !== undefined) return known
    const made = this.#names.size + 1
    this.#names.set(name, made)
    newNames.push(name)
    return made
  }
}

/** The other side of the dictionary. */
export class NameList {
  #names: string[] = ['']

  /** Call it once for every batch, in their order. */
  learn({ newNames, forgets }: PackedLines): void {
    if (forgets) this.#names = ['']
    for (const name of newNames) this.#names.push(name)
  }

  /** '' = none. */
  name(number: number): string {
    return this.#names[number] ?? ''
  }
}

function packNumbers(line: CallLine, numbers: Float64Array, n: number): void {
  const { verdict } = line
  const { shadow } = verdict
  numbers[n + AT] = line.at
  numbers[n + SENT_MS] = line.sentMs ?? -1
  numbers[n + HEAD_MS] = line.headMs ?? -1
  numbers[n + END_MS] = line.endMs
  numbers[n + HOLD_MS] = line.hold?.ms ?? -1
  numbers[n + SLOT_MS] = line.slotMs ?? -1
  numbers[n + RETRY_AFTER_MS] = line.retryAfterMs ?? -1
  numbers[n + PATIENCE_MS] = line.patienceMs ?? Infinity
  numbers[n + SLOT] = line.slot
  numbers[n + ATTEMPT] = line.attempt ?? 0
  numbers[n + FINGERPRINT] = line.fingerprint
  numbers[n + ONCE_KEY] = line.onceKey ?? 0
  numbers[n + CREDENTIAL] = line.credential ?? 0
  numbers[n + BYTES] = line.bytes
  numbers[n + BYTES_IN] = line.bytesIn
  numbers[n + BYTES_OUT] = line.bytesOut
  numbers[n + HEAD_STATUS] = line.headMs === undefined ? 0 : statusAtHead(line)
  numbers[n + END_STATUS] = line.settled === undefined ? 0 : statusAtEnd(line)
  const bits =
    (line.longLived === true ? 1 << BIT.longLived : 0) |
    (line.holdable === true ? 1 << BIT.holdable : 0) |
    (line.deferrable === true ? 1 << BIT.deferrable : 0) |
    (line.streaming === true ? 1 << BIT.streaming : 0) |
    (line.answered === true ? 1 << BIT.answered : 0) |
    (line.hold?.do === 'release' ? 1 << BIT.released : 0) |
    (line.hold?.do === 'expire' ? 1 << BIT.expired : 0) |
    ((TRUST[line.trust] ?? TRUST.derived) << BIT.trust) |
    ((PRIORITY[line.priority] ?? PRIORITY.normal) << BIT.priority) |
    (line.settled === undefined ? 0 : ((SETTLEMENT[line.settled] ?? 0) + 1) << BIT.settled) |
    ((VERDICT[verdict.do] ?? 0) << BIT.verdict) |
    ((REASON[verdict.reason] ?? 0) << BIT.reason) |
    (shadow === undefined
      ? 0
      : (((VERDICT[shadow.do] ?? 0) + 1) << BIT.shadow) |
        ((REASON[shadow.reason] ?? 0) << BIT.shadowReason)) |
    ((OUTCOME[line.outcome] ?? 0) << BIT.outcome)
  numbers[n + BITS] = bits
}

function packOrders({ order, sentMs, headMs, settled }: CallLine, orders: Float64Array, n: number): void {
  let place = 0
  orders[n] = order[place++] ?? 0
  orders[n + 1] = sentMs === undefined ? -1 : (order[place++] ?? 0)
  orders[n + 2] = headMs === undefined ? -1 : (order[place++] ?? 0)
  orders[n + 3] = settled === undefined ? -1 : (order[place] ?? 0)
}

function numbered<T extends string>(names: readonly T[]): Readonly<Record<T, number>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every name is a key
  return Object.fromEntries(names.map((name, index) => [name, index])) as Record<T, number>
}
