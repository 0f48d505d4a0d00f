/**
 * The end of a log, read and parsed once for all who follow it. Each follower has its own place and asks for what comes
 * after it: one that reads slowly costs nothing but itself, and one that comes back finds what it missed as long as
 * the log keeps it.
 */
import type { Millis } from '../core/model.ts'
import type { LogEntry, LogName, Store } from './store.ts'

export interface TailEntry<T> {
  readonly offset: number
  readonly version: number
  readonly item: T
}

export interface TailPage<T> {
  readonly entries: readonly TailEntry<T>[]
  /** Of the oldest entry that is kept. */
  readonly first: number
  readonly last: number
}

/** Newest entries that are kept parsed. */
const RING = 1024
const READ = 512

export class LogTail<T> {
  readonly #store: Store
  readonly #log: LogName
  readonly #parse: (text: string, entry: LogEntry) => T
  readonly #waiting = new Set<() => void>()
  #ring: TailEntry<T>[] = []
  #first = 1
  #last = 0
  #reading: Promise<void> | undefined
  #isStale = true
  #stop: () => void = () => {}

  constructor(store: Store, log: LogName, parse: (text: string, entry: LogEntry) => T) {
    this.#store = store
    this.#log = log
    this.#parse = parse
  }

  start(): void {
    this.#stop = this.#store.watch((log) => {
      if (log !== this.#log) return
      this.#isStale = true
      for (const wake of this.#waiting) wake()
    })
  }

  stop(): void {
    this.#stop()
    for (const wake of this.#waiting) wake()
  }

  get followers(): number {
    return this.#waiting.size
  }

  /** Entries after `after`, the oldest first. */
  async page(after: number, most: number): Promise<TailPage<T>> {
    if (this.#isStale) await (this.#reading ??= this.#catchUp())
    const from = this.#ring[0]?.offset ?? this.#last + 1
    if (after + 1 >= from) {
      const index = after + 1 - from
      return { entries: this.#ring.slice(index, index + most), first: this.#first, last: this.#last }
    }
    const { entries, first, last } = await this.#store.read(this.#log, after, Math.min(most, READ))
    return { entries: entries.map((entry) => this.#read(entry)), first, last }
  }

  /** Resolves when there may be more than at the last look, after `mostMs`, or when `signal` says so; never rejects. */
  async grown(mostMs: Millis, signal: AbortSignal): Promise<void> {
    if (this.#isStale || signal.aborted || mostMs <= 0) return
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, mostMs)
      this.#waiting.add(wake)
      signal.addEventListener('abort', wake)
    })
  }

  async #catchUp(): Promise<void> {
    try {
      this.#isStale = false
      for (;;) {
        const { entries, first, last } = await this.#store.read(this.#log, this.#last, READ)
        const isHole = entries.length > 0 && entries[0]!.offset !== this.#last + 1
        const read = entries.map((entry) => this.#read(entry))
        this.#ring = isHole ? read : [...this.#ring, ...read]
        this.#first = first
        this.#last = entries.at(-1)?.offset ?? Math.max(this.#last, last)
        if (this.#ring.length > RING) this.#ring = this.#ring.slice(-RING)
        if (this.#last >= last) break
      }
    } catch (error) {
      this.#isStale = true
      throw error
    } finally {
      this.#reading = undefined
    }
  }

  #read(entry: LogEntry): TailEntry<T> {
    return { offset: entry.offset, version: entry.version, item: this.#parse(entry.value, entry) }
  }
}
