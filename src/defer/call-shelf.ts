/**
 * The life of every deferred call of one process, in memory: the state machine of `deferred-call.ts`, the queue and
 * the bounds. Pure: time is an argument, and what has to be durable is somebody else's (`shelf-store.ts`).
 */
import { PRIORITIES, type Millis } from '../core/model.ts'
import {
  ENDINGS,
  isEnding,
  type DeferredFacts,
  type DeferredState,
  type DeferredView,
  type End,
  type Ending,
  type Why,
} from './deferred-call.ts'
import { placeOf, type StoreBounds, type Totals } from './deferred-store.ts'
import { LeastFirst, type Ordered } from './least-first.ts'

/** All that a store has to keep of a call besides its bytes. */
export interface ShelfRecord extends DeferredFacts {
  /** 0 once it has ended: what was asked is not kept. */
  bytes: number
  state: DeferredState
  fence: number
  attempts: number
  dueAt: Millis
  /** Place in the queue of its upstream. */
  place: number
  endedAt: Millis
  why: Why
  status: number
  answerBytes: number
}

/** Below so many entries nothing is worth a clean-up. */
const LEAST_QUEUED = 1024

interface Entry extends Ordered {
  readonly record: ShelfRecord
  /** Entries of an earlier wait are void. */
  readonly wait: number
}

interface Kept {
  readonly record: ShelfRecord
  leaseUntil: Millis
  /** Counts the times that it began to wait. */
  wait: number
}

export class CallShelf {
  readonly #bounds: StoreBounds
  readonly #kept = new Map<string, Kept>()
  /** Due, by upstream. */
  readonly #ready = new Map<string, LeastFirst<Entry>>()
  #later = new LeastFirst<Entry>()
  /** Entries of both, void ones included. */
  #queued = 0
  /** Running, by id. */
  readonly #running = new Set<string>()
  /** In the order in which they were accepted, which is that in which they expire. */
  readonly #pending = new Map<string, ShelfRecord>()
  /** In the order in which they ended, which is that in which they are removed. */
  readonly #ended = new Map<string, ShelfRecord>()
  readonly #pendingOf = new Map<string, number>()
  readonly #endings: Record<Ending, number> = { done: 0, failed: 0, expired: 0, unknown: 0 }
  #waiting = 0
  #bytes = 0
  #order = 0

  constructor(bounds: StoreBounds) {
    this.#bounds = bounds
  }

  /** @param reservedCalls accepted by the bounds and not yet on the shelf */
  hasRoom(facts: DeferredFacts, reservedCalls: number, reservedBytes: number): boolean {
    const { calls, bytes, perAgent } = this.#bounds
    return (
      this.#kept.size + reservedCalls < calls &&
      this.#bytes + reservedBytes + facts.bytes <= bytes &&
      (this.#pendingOf.get(facts.agent) ?? 0) < perAgent
    )
  }

  /** A record for a call that is being accepted; it is on the shelf after `add`. */
  begin(facts: DeferredFacts): ShelfRecord {
    const pending = this.#pendingOf.get(facts.agent) ?? 0
    return {
      ...facts,
      state: 'waiting',
      fence: 0,
      attempts: 0,
      dueAt: facts.acceptedAt,
      place: placeOf(facts.acceptedAt, PRIORITIES.indexOf(facts.priority), pending),
      endedAt: 0,
      why: '',
      status: 0,
      answerBytes: 0,
    }
  }

  /** Puts a record on the shelf as it is: new, or read again after a restart. */
  add(record: ShelfRecord): void {
    const kept = { record, leaseUntil: 0, wait: 0 }
    this.#kept.set(record.id, kept)
    this.#bytes += record.bytes + record.answerBytes
    if (isEnding(record.state)) {
      this.#ended.set(record.id, record)
      return
    }
    this.#pendingOf.set(record.agent, (this.#pendingOf.get(record.agent) ?? 0) + 1)
    this.#pending.set(record.id, record)
    if (record.state === 'waiting') this.#queue(kept)
    else this.#running.add(record.id)
  }

  get(id: string): ShelfRecord | undefined {
    return this.#kept.get(id)?.record
  }

  view(id: string): DeferredView | undefined {
    const record = this.get(id)
    return record === undefined ? undefined : { ...record }
  }

  claim(upstreams: readonly string[], now: Millis, leaseMs: Millis): ShelfRecord | undefined {
    this.#wake(now)
    let first: LeastFirst<Entry> | undefined
    for (const name of upstreams) {
      const queue = this.#ready.get(name)
      if (queue === undefined) continue
      while (queue.peek() !== undefined && !this.#isWaiting(queue.peek()!)) this.#drop(queue)
      const at = queue.peek()?.at
      if (at !== undefined && at < (first?.peek()?.at ?? Infinity)) first = queue
    }
    if (first === undefined) return undefined
    const entry = this.#drop(first)
    const { record } = entry
    const kept = this.#kept.get(record.id)!
    record.state = 'leased'
    record.fence += 1
    kept.leaseUntil = now + leaseMs
    this.#waiting -= 1
    this.#running.add(record.id)
    return record
  }

  /** Nobody may claim it any more: its end is being written. `wait` undoes it. */
  hide(record: ShelfRecord): void {
    record.state = 'leased'
    record.fence += 1
    this.#kept.get(record.id)!.leaseUntil = Infinity
    this.#waiting -= 1
    this.#running.add(record.id)
  }

  /** The record, when `fence` still holds it. */
  held(id: string, fence: number): ShelfRecord | undefined {
    const record = this.get(id)
    const isHeld = record?.state === 'leased' || record?.state === 'started'
    return isHeld && record.fence === fence ? record : undefined
  }

  renew(record: ShelfRecord, until: Millis): void {
    this.#kept.get(record.id)!.leaseUntil = until
  }

  start(record: ShelfRecord, until: Millis): void {
    record.state = 'started'
    record.attempts += 1
    this.renew(record, until)
  }

  wait(record: ShelfRecord, dueAt: Millis): void {
    record.state = 'waiting'
    record.dueAt = dueAt
    this.#running.delete(record.id)
    this.#queue(this.#kept.get(record.id)!)
  }

  end(record: ShelfRecord, end: End, answerBytes: number, now: Millis): void {
    if (record.state === 'waiting') this.#waiting -= 1
    this.#running.delete(record.id)
    this.#leaveAgent(record.agent)
    this.#bytes += answerBytes - record.bytes
    const { ending: state, why, status } = end
    Object.assign(record, { state, why, status, endedAt: now, answerBytes, bytes: 0 })
    this.#endings[state] += 1
    this.#pending.delete(record.id)
    this.#ended.set(record.id, record)
  }

  remove(id: string): void {
    const record = this.get(id)
    if (record === undefined) return
    this.#kept.delete(id)
    this.#ended.delete(id)
    this.#bytes -= record.bytes + record.answerBytes
  }

  /** Leases that ran out by `now`. */
  lost(now: Millis): ShelfRecord[] {
    const lost: ShelfRecord[] = []
    for (const id of this.#running) {
      const kept = this.#kept.get(id)
      if (kept !== undefined && kept.leaseUntil <= now) lost.push(kept.record)
    }
    return lost
  }

  /** Calls that wait and whose time is over; at most `most`. One that runs is looked at when it is back. */
  overdue(now: Millis, most: number): ShelfRecord[] {
    return firstOf(this.#pending, most, (record) =>
      record.expiresAt > now ? 'stop' : record.state === 'waiting' ? 'take' : 'skip',
    )
  }

  /** Ends that were kept long enough; at most `most`. */
  outdated(now: Millis, most: number): ShelfRecord[] {
    const endedBy = now - this.#bounds.keepMs
    return firstOf(this.#ended, most, (record) => (record.endedAt > endedBy ? 'stop' : 'take'))
  }

  totals(): Totals {
    const [oldest] = firstOf(this.#pending, 1, (record) => (record.state === 'waiting' ? 'take' : 'skip'))
    const running = this.#running.size
    const endings = Object.fromEntries(ENDINGS.map((name) => [name, this.#endings[name]]))
    return {
      waiting: this.#waiting,
      running,
      ended: this.#ended.size,
      bytes: this.#bytes,
      oldestAt: oldest?.acceptedAt ?? 0,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made of the same list
      endings: endings as Record<Ending, number>,
    }
  }

  #queue(kept: Kept): void {
    kept.wait += 1
    this.#waiting += 1
    this.#later.push(this.#entry(kept.record, kept.wait, kept.record.dueAt))
    this.#queued += 1
    if (this.#queued > 2 * this.#kept.size + LEAST_QUEUED) this.#compact()
  }

  /** Void entries of calls that were cancelled while nobody claimed go, or they would pile up. */
  #compact(): void {
    this.#ready.clear()
    this.#later = new LeastFirst()
    for (const { record, wait } of this.#kept.values()) {
      if (record.state === 'waiting') this.#later.push(this.#entry(record, wait, record.dueAt))
    }
    this.#queued = this.#later.size
  }

  /** What is due goes to the queue of its upstream. */
  #wake(now: Millis): void {
    while ((this.#later.peek()?.at ?? Infinity) <= now) {
      const entry = this.#later.pop()!
      if (!this.#isWaiting(entry)) {
        this.#queued -= 1
        continue
      }
      const { record } = entry
      let queue = this.#ready.get(record.upstream)
      if (queue === undefined) this.#ready.set(record.upstream, (queue = new LeastFirst()))
      queue.push(this.#entry(record, entry.wait, record.place))
    }
  }

  #drop(queue: LeastFirst<Entry>): Entry {
    this.#queued -= 1
    return queue.pop()!
  }

  #isWaiting({ record, wait }: Entry): boolean {
    const kept = this.#kept.get(record.id)
    return kept?.record === record && record.state === 'waiting' && kept.wait === wait
  }

  #entry(record: ShelfRecord, wait: number, at: Millis): Entry {
    return { record, wait, at, order: this.#order++ }
  }

  #leaveAgent(agent: string): void {
    const left = (this.#pendingOf.get(agent) ?? 1) - 1
    if (left > 0) this.#pendingOf.set(agent, left)
    else this.#pendingOf.delete(agent)
  }
}

/** The records that `judge` takes, in order, until it stops or there are `most`. */
function firstOf(
  records: ReadonlyMap<string, ShelfRecord>,
  most: number,
  judge: (record: ShelfRecord) => 'take' | 'skip' | 'stop',
): ShelfRecord[] {
  const found: ShelfRecord[] = []
  for (const record of records.values()) {
    const judged = judge(record)
    if (judged === 'stop' || found.length >= most) break
    if (judged === 'take') found.push(record)
  }
  return found
}
