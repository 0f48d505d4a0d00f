/**
 * The store of many Weirs: Redis. Each step is one Lua script over keys of one hash tag, the logs are Streams, and
 * time is Redis's own, so that replicas agree on when a lease ends. A lost connection costs the commons and nothing
 * else: commands are neither queued nor sent twice, and each has its time.
 */
import { createHash } from 'node:crypto'
import { Redis, ReplyError } from 'ioredis'
import type { Millis } from '../../core/model.ts'
import {
  LOGS,
  StoreError,
  type Change,
  type Commit,
  type LogEntry,
  type LogName,
  type LogPage,
  type Marked,
  type RoomBounds,
  type Store,
  type Stored,
  type StoreBounds,
} from '../store.ts'
import { LogListeners } from './log-listeners.ts'
import { COMMIT } from './lua/commit.lua.ts'
import { MARKED, READ, SCAN } from './lua/look.lua.ts'

export interface RedisOptions {
  readonly url: string
  /** Beginning of all keys, without braces; Weirs with the same one share their commons. */
  readonly prefix: string
}

/** Well below the wait of any client. */
const COMMAND_MS: Millis = 2000
const RECONNECT_MS = { from: 50, to: 2000 } as const
/** How long one look at the streams waits for more. */
const BLOCK_MS: Millis = 5000
const CLOCK_EVERY_MS: Millis = 30_000
const DIGESTS = new Map(
  [COMMIT, SCAN, MARKED, READ].map((text) => [text, createHash('sha1').update(text).digest('hex')]),
)

export class RedisStore implements Store {
  readonly #redis: Redis
  readonly #follower: Redis
  readonly #prefix: string
  readonly #bounds: readonly string[]
  readonly #wall: () => Millis
  readonly #listeners = new LogListeners()
  /** Redis's clock less ours. */
  #aheadMs: Millis = 0
  #clock: NodeJS.Timeout | undefined
  #isClosed = false
  #following: Promise<void> | undefined
  #durability = 'In a Redis that has not been reached yet.'

  constructor({ url, prefix }: RedisOptions, bounds: StoreBounds, wall: () => Millis) {
    const shared = {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: COMMAND_MS,
      retryStrategy: (times: number) =>
        Math.min(RECONNECT_MS.to, RECONNECT_MS.from * 2 ** Math.min(times, 10)),
    }
    this.#redis = new Redis(url, { ...shared, commandTimeout: COMMAND_MS })
    this.#follower = new Redis(url, { ...shared, commandTimeout: BLOCK_MS + COMMAND_MS })
    // Each command says it for itself.
    this.#redis.on('error', ignore)
    this.#follower.on('error', ignore)
    this.#prefix = `{${prefix}}`
    this.#bounds = boundWords(bounds)
    this.#wall = wall
  }

  get durability(): string {
    return this.#durability
  }

  readonly now = (): Millis => this.#wall() + this.#aheadMs

  async open(): Promise<void> {
    try {
      await Promise.all([this.#redis.connect(), this.#follower.connect()])
      await this.#compareClocks()
      this.#durability = await this.#promise()
      this.#following = this.#follow(await this.#lastPlaces())
    } catch (error) {
      this.#redis.disconnect()
      this.#follower.disconnect()
      throw unavailable(error)
    }
    this.#clock = setInterval(() => void this.#compareClocks().catch(ignore), CLOCK_EVERY_MS)
    this.#clock.unref()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearInterval(this.#clock)
    this.#listeners.clear()
    this.#redis.disconnect()
    this.#follower.disconnect()
    await this.#following
  }

  async get(key: string): Promise<Stored | undefined> {
    try {
      const [version, value] = await this.#redis.hmget(`${this.#prefix}:r:${key}`, 'v', 'd')
      if (version === null || version === undefined) return undefined
      return { key, version: Number(version), value: value ?? '' }
    } catch (error) {
      throw unavailable(error)
    }
  }

  async scan(prefix: string, after: string, most: number): Promise<readonly Stored[]> {
    const first = after > prefix ? `(${after}` : `[${prefix}`
    const words = await this.#run(SCAN, [first, prefix === '' ? '+' : `(${prefix}\u00ff`, most])
    const found: Stored[] = []
    for (let at = 0; at + 2 < words.length; at += 3) {
      // A prefix that is itself a key comes first, also after itself.
      if (words[at] !== after)
        found.push({ key: words[at]!, version: Number(words[at + 1]), value: words[at + 2]! })
    }
    return found
  }

  async marked(index: string, until: number, most: number): Promise<readonly Marked[]> {
    const words = await this.#run(MARKED, [index, until === Infinity ? '+inf' : until, most])
    const found: Marked[] = []
    for (let at = 0; at + 3 < words.length; at += 4) {
      const [key, version, value, mark] = words.slice(at, at + 4)
      found.push({ key: key!, version: Number(version), value: value!, at: Number(mark) })
    }
    return found
  }

  async count(index: string): Promise<number> {
    try {
      return await this.#redis.zcard(`${this.#prefix}:i:${index}`)
    } catch (error) {
      throw unavailable(error)
    }
  }

  async commit(changes: readonly Change[]): Promise<Commit> {
    const [end, ...words] = await this.#run(COMMIT, [...this.#bounds, ...changes.flatMap(changeWords)])
    if (end === 'conflict') return { ok: false, why: 'conflict', key: words[0]! }
    if (end === 'full') return { ok: false, why: 'full', room: words[0]! }
    return { ok: true, version: Number(words[0]), offsets: words.slice(1).map(Number) }
  }

  async read(log: LogName, after: number, most: number): Promise<LogPage> {
    const [oldest = '', last = '0', ...words] = await this.#run(READ, [log, after + 1, most])
    const entries: LogEntry[] = []
    for (let at = 0; at + 2 < words.length; at += 3) {
      entries.push({ offset: offsetOf(words[at]!), version: Number(words[at + 1]), value: words[at + 2]! })
    }
    return { entries, first: oldest === '' ? Number(last) + 1 : offsetOf(oldest), last: Number(last) }
  }

  watch(listener: (log: LogName) => void): () => void {
    return this.#listeners.add(listener)
  }

  async usage(): Promise<Readonly<Record<string, RoomBounds>>> {
    const read: Record<string, { records: number; bytes: number }> = {}
    let flat: Record<string, string>
    try {
      flat = await this.#redis.hgetall(`${this.#prefix}:u`)
    } catch (error) {
      throw unavailable(error)
    }
    for (const [name, count] of Object.entries(flat)) {
      const room = (read[name.slice(0, -2)] ??= { records: 0, bytes: 0 })
      room[name.endsWith(':n') ? 'records' : 'bytes'] = Number(count)
    }
    return read
  }

  /** By its digest; a Redis that does not know it yet is given the text. */
  async #run(script: string, words: readonly (string | number)[]): Promise<string[]> {
    const tail = [1, this.#prefix, ...words]
    try {
      return texts(await this.#redis.call('EVALSHA', DIGESTS.get(script)!, ...tail))
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw unavailable(error)
    }
    try {
      return texts(await this.#redis.call('EVAL', script, ...tail))
    } catch (error) {
      throw unavailable(error)
    }
  }

  /** Tells the listeners of what anybody appended. */
  async #follow(places: Map<LogName, number>): Promise<void> {
    const keys = LOGS.map((log) => `${this.#prefix}:l:${log}`)
    while (!this.#isClosed) {
      try {
        const from = LOGS.map((log) => `${places.get(log) ?? 0}-0`)
        const words = ['COUNT', 1, 'BLOCK', BLOCK_MS, 'STREAMS', ...keys, ...from]
        const reply: unknown = await this.#follower.call('XREAD', ...words)
        if (reply === null) continue
        const now = await this.#lastPlaces()
        this.#listeners.tell(LOGS.filter((log) => now.get(log) !== places.get(log)))
        places = now
      } catch {
        if (this.#isClosed) return
        await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS.to / 4))
      }
    }
  }

  async #lastPlaces(): Promise<Map<LogName, number>> {
    const pages = LOGS.map(async (log): Promise<[LogName, number]> => [
      log,
      (await this.read(log, 0, 1)).last,
    ])
    return new Map(await Promise.all(pages))
  }

  /** Half of the way there and back is our error; leases last seconds. */
  async #compareClocks(): Promise<void> {
    const before = this.#wall()
    const [seconds, micros] = await this.#redis.time()
    const after = this.#wall()
    this.#aheadMs = Math.round(Number(seconds) * 1000 + Number(micros) / 1000 - (before + after) / 2)
  }

  async #promise(): Promise<string> {
    const info = await this.#redis.info('persistence')
    return info.includes('aof_enabled:1')
      ? 'In Redis with an append-only file: what is acknowledged lasts as its appendfsync says.'
      : 'In a Redis without an append-only file: what is acknowledged since its last snapshot ends with it.'
  }
}

function changeWords(change: Change): (string | number)[] {
  if (change.do === 'append') return ['append', change.log, change.value]
  if (change.do !== 'put') return [change.do, change.key, change.expected]
  const marks = Object.entries(change.marks ?? {})
  const head = [
    'put',
    change.key,
    change.expected,
    change.bounded === true ? '1' : '0',
    change.value,
    marks.length,
  ]
  return [...head, ...marks.flat()]
}

function boundWords({ rooms, logs }: StoreBounds): string[] {
  const room = Object.entries(rooms)
  const log = Object.entries(logs)
  return [
    room.length,
    ...room.flatMap(([name, { records, bytes }]) => [name, records, bytes]),
    log.length,
    ...log.flatMap(([name, { entries, bytes }]) => [name, entries, bytes]),
  ].map(String)
}

function offsetOf(id: string): number {
  return Number(id.slice(0, id.indexOf('-')))
}

function texts(reply: unknown): string[] {
  return Array.isArray(reply) ? reply.map(String) : []
}

function unavailable(error: unknown): StoreError {
  const said = error instanceof Error ? error.message : String(error)
  return new StoreError(
    `Redis ${error instanceof ReplyError ? 'refused' : 'does not answer'}: ${said.slice(0, 200)}`,
  )
}

function ignore(): void {}
