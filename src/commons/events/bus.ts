/**
 * The bus: what is published is checked, kept in order, and handed to whoever asks for what comes after a place. An
 * event that is published again under the same source and id within ten minutes is the same event.
 */
import { createHash } from 'node:crypto'
import type { Millis } from '../../core/model.ts'
import { demand, type Caller, type May } from '../caller.ts'
import type { Json } from '../json.ts'
import { LogTail, type TailEntry, type TailPage } from '../log-tail.ts'
import { type Fault, full, Refused } from '../refused.ts'
import type { SchemaBook } from '../schemas/schema-book.ts'
import { step, unchanged } from '../step.ts'
import type { Change, Store } from '../store.ts'
import { type BusEvent, type OwnEvent, ownEventText } from './cloud-event.ts'
import { type EventFilter, fits } from './event-filter.ts'
import { readBack } from '../read-back.ts'

export interface Published {
  readonly id: string
  /** Its place in the log; `Last-Event-ID` of the streams. */
  readonly offset: number
  /** It was there already: published again. */
  readonly duplicate: boolean
}

/** What every Weir of a store concludes of one thing by itself, such as that an upstream is in a storm. */
export interface Conclusion {
  /** One of a few: each is a record that stays. */
  readonly about: string
  readonly is: string
}

interface Announced {
  readonly text: string
  readonly concludes: Conclusion | undefined
}

/** The last word on one thing. */
interface Concluded {
  readonly is: string
  readonly by: string
  readonly at: Millis
}

/** The ways that events take to whoever wants them. */
export type Reader = 'stream' | 'group' | 'page'

/** Where a stream is; it moves on as its client reads. */
export interface Follower {
  at: number
}

export type BusPage = TailPage<BusEvent>
export type BusEntry = TailEntry<BusEvent>

/** In the place of an event that the disk changed, so that places stay what they are. */
const DAMAGED: BusEvent = {
  specversion: '1.0',
  id: 'damaged',
  source: '/weir',
  type: 'weir.event.damaged',
  time: new Date(0).toISOString(),
  sender: 'weir',
}
const REPEATED_MS: Millis = 600_000
/** Index of the ids of late. */
const RECENT = 'event-id-due'
const SWEEP = 512
/** Weirs come to one conclusion within this time; one that takes longer has seen something of its own. */
const CONCLUDED_MS: Millis = 30_000
/** Own events that wait to be written; past that they are counted and lost. */
const QUEUED = 1000
/** Read per round while looking for events that fit. */
const LOOKED_AT = 256

export class Bus {
  readonly #store: Store
  readonly #may: May
  readonly #schemas: SchemaBook
  readonly #tail: LogTail<BusEvent>
  readonly #replica: string
  readonly #queue: Announced[] = []
  readonly #followers = new Set<Follower>()
  readonly #published = { agents: 0, weir: 0 }
  readonly #delivered = { stream: 0, group: 0, page: 0 }
  #writing: Promise<void> | undefined
  #lost = 0

  /** @param replica this Weir, another name after each start */
  constructor(store: Store, may: May, schemas: SchemaBook, replica: string) {
    this.#replica = replica
    this.#store = store
    this.#may = may
    this.#schemas = schemas
    this.#tail = new LogTail(store, 'events', (text) => (text === '' ? DAMAGED : readBack<BusEvent>(text)))
  }

  start(): void {
    this.#tail.start()
  }

  stop(): void {
    this.#tail.stop()
  }

  /** Own events that could not be kept. */
  get lost(): number {
    return this.#lost
  }

  /** By this process: who published, and which way events were handed out. */
  get counts(): {
    readonly published: Readonly<Record<'agents' | 'weir', number>>
    readonly delivered: Readonly<Record<Reader, number>>
  } {
    return { published: this.#published, delivered: this.#delivered }
  }

  handedOut(to: Reader, events: number): void {
    this.#delivered[to] += events
  }

  /** A stream begins after this place; answers where it is, and how to say that it has ended. */
  follow(at: number): { readonly follower: Follower; readonly end: () => void } {
    const follower = { at }
    this.#followers.add(follower)
    return { follower, end: () => this.#followers.delete(follower) }
  }

  /** Events that the slowest stream has not been given yet. */
  async streamLag(): Promise<number> {
    if (this.#followers.size === 0) return 0
    let least = Infinity
    for (const { at } of this.#followers) least = Math.min(least, at)
    return Math.max(0, (await this.last()) - least)
  }

  /** @throws Refused `contract` with the reason when one of them does not fit its schema: none is published then */
  async publish(caller: Caller, events: readonly BusEvent[]): Promise<readonly Published[]> {
    for (const event of events) {
      demand(this.#may, caller, { do: 'event.publish', on: event.type })
      const fault = await this.#fault(event)
      if (fault !== undefined) {
        const reason = `event ${event.id} does not fit the schema of ${event.type}: ${fault.found} at ${fault.where}`
        throw new Refused('contract', reason, [fault])
      }
    }
    const published: Published[] = []
    for (const event of events) published.push(await this.#append(event))
    return published
  }

  /**
   * Writes an event of Weir itself when there is time; never waits, never throws. What `concludes` is not said again
   * by another Weir while it is the last word on that thing: of all that share a store, the first one says it.
   */
  announce(event: OwnEvent, concludes?: Conclusion): void {
    if (this.#queue.length >= QUEUED) {
      this.#lost += 1
      return
    }
    const text = ownEventText({ ...event, replica: this.#replica }, this.#store.now())
    this.#queue.push({ text, concludes })
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined
    })
  }

  /** Resolves when all that was announced is written or lost. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Everything after a place, the oldest first; `LogTail.page`. */
  page(after: number, most: number): Promise<BusPage> {
    return this.#tail.page(after, most)
  }

  /** What fits, after a place; `next` is the place to go on from, whether or not something fitted. */
  async find(
    caller: Caller,
    filter: EventFilter,
    after: number,
    most: number,
  ): Promise<{ readonly entries: readonly BusEntry[]; readonly next: number; readonly first: number }> {
    demand(this.#may, caller, { do: 'event.subscribe', on: filter.types?.join(' ') ?? '*' })
    const found: BusEntry[] = []
    let next = after
    for (;;) {
      const { entries, first, last } = await this.#tail.page(next, LOOKED_AT)
      if (next + 1 < first) next = first - 1
      for (const entry of entries) {
        next = entry.offset
        if (fits(filter, entry.item) && found.push(entry) >= most) return { entries: found, next, first }
      }
      if (next >= last || entries.length === 0) return { entries: found, next, first }
    }
  }

  /** The newest place. */
  async last(): Promise<number> {
    return (await this.#tail.page(Number.MAX_SAFE_INTEGER - 1, 1)).last
  }

  grown(mostMs: Millis, signal: AbortSignal): Promise<void> {
    return this.#tail.grown(mostMs, signal)
  }

  /** Forgets the ids of events that can no longer be repeated. */
  async sweep(): Promise<void> {
    const due = await this.#store.marked(RECENT, this.#store.now(), SWEEP)
    if (due.length === 0) return
    await this.#store.commit(due.map(({ key }): Change => ({ do: 'delete', key, expected: 'any' })))
  }

  async #fault(event: BusEvent): Promise<Fault | undefined> {
    const validate = await this.#schemas.ofEvent(event.type)
    if (validate === undefined) return undefined
    const { datacontenttype = 'application/json', data } = event
    if (data === undefined || !isJsonType(datacontenttype)) {
      return {
        where: 'data',
        found: 'no JSON',
        allowed: 'JSON that fits the schema',
      }
    }
    return validate(data)
  }

  async #append(event: BusEvent): Promise<Published> {
    const key = `event-id/${createHash('sha256').update(`${event.source}\n${event.id}`).digest('base64url')}`
    const now = this.#store.now()
    const append: Change = { do: 'append', log: 'events', value: JSON.stringify(event) }
    // What an id stands for is known only afterwards: a repetition finds its place by the version that both share.
    const mark: Change = {
      do: 'put',
      key,
      value: '',
      expected: 'absent',
      marks: { [RECENT]: now + REPEATED_MS },
      bounded: true,
    }
    const commit = await this.#store.commit([mark, append])
    if (commit.ok) {
      this.#published.agents += 1
      return { id: event.id, offset: commit.offsets[0]!, duplicate: false }
    }
    if (commit.why === 'conflict') {
      const { version = 0 } = (await this.#store.get(key)) ?? {}
      return { id: event.id, offset: await this.#placeOf(version), duplicate: true }
    }
    // More events within ten minutes than ids can be remembered: they are kept, and repetitions are not known.
    const plain = await this.#store.commit([append])
    if (plain.ok) {
      this.#published.agents += 1
      return { id: event.id, offset: plain.offsets[0]!, duplicate: false }
    }
    throw full('events')
  }

  /** 0 = it is no longer kept. Versions grow with offsets, so a binary search finds it. */
  async #placeOf(version: number): Promise<number> {
    const { first, last } = await this.#store.read('events', 0, 1)
    let low = first
    let high = last
    while (low <= high) {
      const middle = Math.floor((low + high) / 2)
      const [entry] = (await this.#store.read('events', middle - 1, 1)).entries
      if (entry === undefined) return 0
      if (entry.version === version) return entry.offset
      if (entry.version < version) low = middle + 1
      else high = middle - 1
    }
    return 0
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch()
      const { text, concludes } = batch[0]!
      try {
        const isKept =
          concludes === undefined ? await this.#keep(batch) : await this.#conclude(text, concludes)
        if (isKept) this.#published.weir += batch.length
      } catch {
        this.#lost += batch.length
      }
    }
  }

  /** A conclusion is a step of its own; what is none goes together, in order. */
  #nextBatch(): Announced[] {
    const found = this.#queue.findIndex(({ concludes }) => concludes !== undefined)
    const most = found === -1 ? LOOKED_AT : Math.min(LOOKED_AT, Math.max(1, found))
    return this.#queue.splice(0, most)
  }

  async #keep(batch: readonly Announced[]): Promise<true> {
    const commit = await this.#store.commit(
      batch.map(({ text }): Change => ({ do: 'append', log: 'events', value: text })),
    )
    if (!commit.ok) throw full('events')
    return true
  }

  /** False = another Weir has said so, and nobody anything else since. */
  #conclude(text: string, { about, is }: Conclusion): Promise<boolean> {
    const key = `concluded/${about}`
    return step(this.#store, async () => {
      const stored = await this.#store.get(key)
      const last = stored === undefined ? undefined : readBack<Concluded>(stored.value)
      const at = this.#store.now()
      const isSaid = last?.is === is && last.by !== this.#replica && at - last.at < CONCLUDED_MS
      if (isSaid) return unchanged(false)
      const word: Concluded = { is, by: this.#replica, at }
      return {
        changes: [
          { do: 'put', key, value: JSON.stringify(word), expected: stored?.version ?? 'absent' },
          { do: 'append', log: 'events', value: text },
        ],
        result: () => true,
      }
    })
  }
}

function isJsonType(type: Json): boolean {
  return typeof type === 'string' && type.includes('json')
}
