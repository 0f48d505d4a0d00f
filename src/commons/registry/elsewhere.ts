/**
 * What the other Weirs of a store saw, so that the registry answers alike whichever of them is asked: each leaves a
 * record of its busiest agents, with an end that it puts off while it is there. Written by the clock of housekeeping
 * and read when somebody asks, never on the path of a call.
 */
import type { Millis } from '../../core/model.ts'
import { readBack } from '../read-back.ts'
import type { Store } from '../store.ts'
import type { FlowBook } from './flow-book.ts'
import type { SeenAgent } from './seen.ts'

const ROOM = 'seen/'
const DUE = 'seen-due'
/** Of one Weir: those that were there lately first, the busiest of them. */
const AGENTS = 200
const TELL_MS: Millis = 5000
/** The record of a Weir that has gone counts for so long. */
const LASTS_MS: Millis = 30_000
/** Without news, only the end is put off. */
const RENEW_MS: Millis = LASTS_MS / 2
/** What was read serves for so long. */
const LOOK_MS: Millis = 1000
const ROUND = 32
/** More of them than this, and some are left out. */
const WEIRS = 256

/** The record of one Weir. */
interface Told {
  readonly until: Millis
  readonly seen: readonly SeenAgent[]
}

export class Elsewhere {
  readonly #store: Store
  readonly #replica: string
  readonly #flows: FlowBook
  #tickedAt: Millis = -Infinity
  #toldAt: Millis = -Infinity
  /** Changes of the book that were told. */
  #told = 0
  #lookedAt: Millis = -Infinity
  #looking: Promise<void> | undefined
  #agents: ReadonlyMap<string, readonly SeenAgent[]> = new Map()

  constructor(store: Store, replica: string, flows: FlowBook) {
    this.#store = store
    this.#replica = replica
    this.#flows = flows
  }

  /** Tells what this Weir saw, when it is time, and forgets those who no longer do. @throws StoreError */
  async tick(): Promise<void> {
    const now = this.#store.now()
    if (now - this.#tickedAt < TELL_MS) return
    this.#tickedAt = now
    const { changes } = this.#flows
    if (changes !== this.#told || (changes > 0 && now - this.#toldAt >= RENEW_MS)) {
      const told: Told = { until: now + LASTS_MS, seen: this.#flows.busiest(AGENTS, now) }
      const marks = { [DUE]: told.until }
      const key = ROOM + this.#replica
      await this.#store.commit([{ do: 'put', key, value: JSON.stringify(told), expected: 'any', marks }])
      this.#toldAt = now
      this.#told = changes
    }
    for (const { key, version } of await this.#store.marked(DUE, now, ROUND)) {
      // One that came back in between keeps its record.
      await this.#store.commit([{ do: 'delete', key, expected: version }])
    }
  }

  /** Reads what the others told, unless that was done a moment ago. @throws StoreError */
  look(): Promise<void> {
    if (this.#store.now() - this.#lookedAt < LOOK_MS) return Promise.resolve()
    return (this.#looking ??= this.#read().finally(() => {
      this.#looking = undefined
    }))
  }

  /** As of the last `look`. */
  of(agent: string): readonly SeenAgent[] {
    return this.#agents.get(agent) ?? []
  }

  /** Those of whom somebody else saw a call, after `after`. */
  names(after: string): string[] {
    return [...this.#agents]
      .filter(([name, seen]) => name > after && seen.some(({ flows }) => flows.length > 0))
      .map(([name]) => name)
  }

  async #read(): Promise<void> {
    const now = this.#store.now()
    const agents = new Map<string, SeenAgent[]>()
    let after = ''
    for (let weirs = 0; weirs < WEIRS; weirs += ROUND) {
      const rows = await this.#store.scan(ROOM, after, ROUND)
      for (const { key, value } of rows) {
        if (key === ROOM + this.#replica) continue
        const { until, seen } = readBack<Told>(value)
        if (until <= now) continue
        for (const each of seen) agents.set(each.agent, [...(agents.get(each.agent) ?? []), each])
      }
      if (rows.length < ROUND) break
      after = rows.at(-1)!.key
    }
    this.#agents = agents
    this.#lookedAt = now
  }
}
