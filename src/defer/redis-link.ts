/**
 * The connection to Redis, made so that its loss costs nothing but itself: no queue of commands while it is away, no
 * command is sent twice, each has a time limit. Before the first promise, and after each reconnection, it is asked
 * whether it keeps what it is told.
 */
import { createHash } from 'node:crypto'
import { Redis, ReplyError } from 'ioredis'
import type { Millis } from '../core/model.ts'

export type RedisWord = string | number | Buffer

/** What came of a script. unsent: it was not carried out. unclear: nobody knows. */
export type ScriptResult =
  | { readonly is: 'reply'; readonly reply: unknown }
  | { readonly is: 'unsent'; readonly error: Error }
  | { readonly is: 'unclear'; readonly error: Error }

/** A command without a reply by then is given up; a healthy Redis with an fsync per write takes milliseconds. */
const COMMAND_MS: Millis = 2000
const RECONNECT_MS = { from: 50, to: 5000 } as const

export class RedisLink {
  readonly #redis: Redis
  readonly #onTrouble: (message: string) => void
  #isSound = false
  #durability = 'Redis has not been reached yet.'
  #known = new Map<string, string>()

  constructor(url: string, onTrouble: (message: string) => void) {
    this.#onTrouble = onTrouble
    this.#redis = new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_MS,
      connectTimeout: COMMAND_MS,
      retryStrategy: (times) => {
        const cap = Math.min(RECONNECT_MS.to, RECONNECT_MS.from * 2 ** Math.min(times, 10))
        return Math.round(cap * (0.5 + Math.random() / 2))
      },
    })
    this.#redis.on('error', (error: Error) => onTrouble(`Redis: ${error.message}`))
    this.#redis.on('close', () => {
      this.#isSound = false
    })
    this.#redis.on('ready', () => void this.#ask())
  }

  /** Reached, and found to keep what it is told. */
  get isSound(): boolean {
    return this.#isSound
  }

  get durability(): string {
    return this.#durability
  }

  /** Resolves after the first attempt, whatever came of it; goes on by itself. */
  async open(): Promise<void> {
    try {
      await this.#redis.connect()
      await this.#ask()
    } catch (error) {
      this.#onTrouble(`Redis: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  close(): void {
    this.#isSound = false
    this.#redis.disconnect()
  }

  /** Runs a script by its digest; a Redis that does not know it yet is given the text. */
  async run(script: string, prefix: string, words: readonly RedisWord[]): Promise<ScriptResult> {
    if (this.#redis.status !== 'ready') return { is: 'unsent', error: new Error('not connected') }
    const digest = this.#digestOf(script)
    try {
      return { is: 'reply', reply: await this.#redis.callBuffer('EVALSHA', digest, 1, prefix, ...words) }
    } catch (error) {
      if (!isNoScript(error)) return failed(error)
    }
    try {
      return { is: 'reply', reply: await this.#redis.callBuffer('EVAL', script, 1, prefix, ...words) }
    } catch (error) {
      return failed(error)
    }
  }

  async hash(key: string, fields: readonly string[]): Promise<(Buffer | null)[]> {
    return await this.#redis.hmgetBuffer(key, ...fields)
  }

  async #ask(): Promise<void> {
    const settings = await this.#settings()
    if (settings === undefined) {
      this.#durability =
        'In a Redis that does not show its settings: what is acknowledged lasts as its operator says.'
      this.#isSound = this.#redis.status === 'ready'
    } else if (settings.appendonly !== 'yes') {
      this.#isSound = false
      this.#durability = 'This Redis keeps nothing (appendonly no).'
      this.#onTrouble('Redis has `appendonly no`: no deferred call can be promised; set `appendonly yes`')
    } else {
      this.#durability = says(settings.appendfsync)
      this.#isSound = this.#redis.status === 'ready'
      if (settings.maxmemory !== '0' && settings.policy !== 'noeviction') {
        this.#onTrouble(
          `Redis may evict deferred calls (maxmemory-policy ${settings.policy}): set noeviction`,
        )
      }
    }
  }

  /** Undefined = Redis does not tell (managed ones forbid CONFIG). */
  async #settings(): Promise<
    { appendonly: string; appendfsync: string; maxmemory: string; policy: string } | undefined
  > {
    const read = async (name: string): Promise<string> => {
      const reply: unknown = await this.#redis.call('CONFIG', 'GET', name)
      if (Array.isArray(reply)) return String(reply[1] ?? '')
      return reply instanceof Map ? String(reply.get(name) ?? '') : String(valueOf(reply, name))
    }
    try {
      return {
        appendonly: await read('appendonly'),
        appendfsync: await read('appendfsync'),
        maxmemory: await read('maxmemory'),
        policy: await read('maxmemory-policy'),
      }
    } catch {
      return undefined
    }
  }

  #digestOf(script: string): string {
    let digest = this.#known.get(script)
    if (digest === undefined) {
      digest = createHash('sha1').update(script).digest('hex')
      this.#known.set(script, digest)
    }
    return digest
  }
}

function valueOf(reply: unknown, name: string): unknown {
  if (typeof reply !== 'object' || reply === null) return ''
  return new Map<string, unknown>(Object.entries(reply)).get(name) ?? ''
}

function says(appendfsync: string): string {
  if (appendfsync === 'always') {
    return 'In Redis (appendfsync always): accepted calls survive the end of Weir and of Redis, and the loss of power as far as its disk keeps what it said was flushed.'
  }
  const most = appendfsync === 'everysec' ? 'up to a second of them' : 'what the system had not written yet'
  return `In Redis (appendfsync ${appendfsync}): accepted calls survive the end of Weir and of the process of Redis; the loss of its machine can cost ${most}.`
}

function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}

/** Redis itself refused (no memory, read only): then nothing was done. What was never written was not done either. */
function failed(thrown: unknown): ScriptResult {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown))
  const isRefused = error instanceof ReplyError || error.name === 'ReplyError'
  const isUnsent = isRefused || error.message.includes("isn't writeable")
  return { is: isUnsent ? 'unsent' : 'unclear', error }
}
