/**
 * A store of one process: the shelf in memory, and a disk under it that makes each step last. Whoever opens the disk
 * is alone with it, so what an earlier owner had in hand is taken back at once.
 *
 * Order of every step: first the disk, then the shelf; a step that the disk refuses has not happened.
 */
import type { Millis } from '../core/model.ts'
import { CallShelf, type ShelfRecord } from './call-shelf.ts'
import { isEnding, type Claim, type DeferredFacts, type DeferredView, type End } from './deferred-call.ts'
import type { Acceptance, Cancellation, DeferredStore, StoreBounds, Swept, Totals } from './deferred-store.ts'

/** What lasts. Both writes are one transaction each, and resolve when it is durable. */
export interface Disk {
  readonly durability: string
  /** Every record there is; those that cannot be read are left out and counted. @throws StoreError */
  open(): Promise<{ readonly records: readonly ShelfRecord[]; readonly damaged: number }>
  close(): Promise<void>
  /** Bytes that are not given stay as they are; null = they go. */
  write(record: ShelfRecord, call?: Buffer | null, answer?: Buffer | null): Promise<void>
  remove(ids: readonly string[]): Promise<void>
  call(id: string): Buffer | undefined
  answer(id: string): Buffer | undefined
}

/** Records that one sweep touches at most. */
const SWEEP = 256

export class ShelfStore implements DeferredStore {
  readonly #disk: Disk
  readonly #bounds: StoreBounds
  readonly #wall: () => Millis
  #shelf: CallShelf
  #isOpen = false
  /** Being written, by what they take. */
  #reserved = { calls: 0, bytes: 0 }
  /** Steps of one call follow one another. */
  readonly #busy = new Set<string>()

  constructor(disk: Disk, bounds: StoreBounds, wall: () => Millis) {
    this.#disk = disk
    this.#bounds = bounds
    this.#wall = wall
    this.#shelf = new CallShelf(bounds)
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  get durability(): string {
    return this.#disk.durability
  }

  async open(): Promise<void> {
    const { records } = await this.#disk.open()
    this.#shelf = new CallShelf(this.#bounds)
    for (const record of records.toSorted(byAge)) this.#shelf.add(record)
    try {
      for (const record of records) {
        if (record.state === 'leased' || record.state === 'started') await this.#takeBack(record)
      }
    } catch (error) {
      // What has no place on the disk yet is taken back when it is opened again.
      await this.#disk.close()
      throw error
    }
    this.#isOpen = true
  }

  async close(): Promise<void> {
    this.#isOpen = false
    await this.#disk.close()
  }

  async accept(facts: DeferredFacts, call: Buffer): Promise<Acceptance> {
    if (!this.#isOpen) return 'closed'
    if (!this.#shelf.hasRoom(facts, this.#reserved.calls, this.#reserved.bytes)) return 'full'
    const record = this.#shelf.begin(facts)
    this.#reserved.calls += 1
    this.#reserved.bytes += facts.bytes
    try {
      await this.#disk.write(record, call)
    } catch {
      // A transaction that failed is not there.
      if (this.#disk.call(record.id) === undefined) return 'closed'
      // One that was written and not flushed is removed again.
      return await this.#disk.remove([record.id]).then(
        () => 'closed',
        () => 'unclear',
      )
    } finally {
      this.#reserved.calls -= 1
      this.#reserved.bytes -= facts.bytes
    }
    this.#shelf.add(record)
    return 'accepted'
  }

  /** A lease ends with the process: it is not written. */
  async claim(upstreams: readonly string[], _owner: string, leaseMs: Millis): Promise<Claim | undefined> {
    while (this.#isOpen) {
      const record = this.#shelf.claim(upstreams, this.#wall(), leaseMs)
      if (record === undefined) return undefined
      const call = this.#disk.call(record.id)
      if (call !== undefined) {
        return { facts: { ...record }, fence: record.fence, attempts: record.attempts, call }
      }
      await this.#end(record, { ending: 'failed', why: 'damaged', status: 0 }, undefined)
    }
    return undefined
  }

  async markStarted(id: string, fence: number, leaseMs: Millis): Promise<boolean> {
    return await this.#alone(id, async () => {
      const record = this.#shelf.held(id, fence)
      if (record?.state !== 'leased') return false
      await this.#disk.write({ ...record, state: 'started', attempts: record.attempts + 1 })
      if (this.#shelf.held(id, fence) !== record) return false
      this.#shelf.start(record, this.#wall() + leaseMs)
      return true
    })
  }

  async renew(id: string, fence: number, leaseMs: Millis): Promise<boolean> {
    const record = this.#shelf.held(id, fence)
    if (record === undefined) return false
    this.#shelf.renew(record, this.#wall() + leaseMs)
    return await Promise.resolve(true)
  }

  async postpone(id: string, fence: number, delayMs: Millis): Promise<boolean> {
    return await this.#alone(id, async () => {
      const record = this.#shelf.held(id, fence)
      if (record === undefined) return false
      await this.#back(record, this.#wall() + delayMs)
      return true
    })
  }

  async finish(id: string, fence: number, end: End, answer: Buffer | undefined): Promise<boolean> {
    return await this.#alone(id, async () => {
      const record = this.#shelf.held(id, fence)
      if (record === undefined) return false
      await this.#end(record, end, answer)
      return true
    })
  }

  async cancel(id: string): Promise<Cancellation> {
    const did = await this.#alone(id, async () => {
      const record = this.#shelf.get(id)
      if (record === undefined) return 'none'
      if (isEnding(record.state)) {
        await this.#disk.remove([id])
        this.#shelf.remove(id)
        return 'removed'
      }
      if (record.state !== 'waiting') return 'running'
      await this.#endWaiting(record, { ending: 'failed', why: 'cancelled', status: 0 })
      return 'cancelled'
    })
    return did === false ? 'running' : did
  }

  view(id: string): Promise<DeferredView | undefined> {
    return Promise.resolve(this.#shelf.view(id))
  }

  answer(id: string): Promise<Buffer | undefined> {
    return Promise.resolve(this.#isOpen ? this.#disk.answer(id) : undefined)
  }

  async sweep(): Promise<Swept> {
    const swept = { expired: 0, requeued: 0, unknown: 0, removed: 0 }
    if (!this.#isOpen) return swept
    const now = this.#wall()
    for (const record of this.#shelf.lost(now)) {
      const went = await this.#alone(record.id, async () => await this.#takeBack(record))
      if (went !== false) swept[went] += 1
    }
    const expiring = this.#shelf.overdue(now, SWEEP).map(async (record) => {
      await this.#endWaiting(record, { ending: 'expired', why: '', status: 0 })
      swept.expired += 1
    })
    await Promise.all(expiring)
    const outdated = this.#shelf.outdated(now, SWEEP)
    if (outdated.length > 0) {
      await this.#disk.remove(outdated.map(({ id }) => id))
      for (const { id } of outdated) this.#shelf.remove(id)
      swept.removed = outdated.length
    }
    return swept
  }

  totals(): Promise<Totals> {
    return Promise.resolve(this.#shelf.totals())
  }

  /** What a lost owner had in hand: again if that can do no harm, else its outcome is unknown. */
  async #takeBack(record: ShelfRecord): Promise<'requeued' | 'unknown'> {
    if (record.state === 'started' && !(record.idempotent && record.attempts < this.#bounds.attempts)) {
      await this.#end(record, { ending: 'unknown', why: 'owner-lost', status: 0 }, undefined)
      return 'unknown'
    }
    await this.#back(record, this.#wall())
    return 'requeued'
  }

  async #back(record: ShelfRecord, dueAt: Millis): Promise<void> {
    await this.#disk.write({ ...record, state: 'waiting', dueAt })
    this.#shelf.wait(record, dueAt)
  }

  /** Nobody may claim it while its end is written; if it cannot be written, it waits on. */
  async #endWaiting(record: ShelfRecord, end: End): Promise<void> {
    this.#shelf.hide(record)
    try {
      await this.#end(record, end, undefined)
    } catch (error) {
      this.#shelf.wait(record, record.dueAt)
      throw error
    }
  }

  async #end(record: ShelfRecord, end: End, answer: Buffer | undefined): Promise<void> {
    const endedAt = this.#wall()
    const answerBytes = answer?.length ?? 0
    const ended = {
      ...record,
      state: end.ending,
      why: end.why,
      status: end.status,
      endedAt,
      answerBytes,
      bytes: 0,
    }
    await this.#disk.write(ended, null, answer)
    this.#shelf.end(record, end, answerBytes, endedAt)
  }

  /** False = another step of this call is being written. */
  async #alone<T>(id: string, step: () => Promise<T>): Promise<T | false> {
    if (!this.#isOpen || this.#busy.has(id)) return false
    this.#busy.add(id)
    try {
      return await step()
    } finally {
      this.#busy.delete(id)
    }
  }
}

function byAge(one: ShelfRecord, other: ShelfRecord): number {
  return (one.endedAt || one.acceptedAt) - (other.endedAt || other.acceptedAt)
}
