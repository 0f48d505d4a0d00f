/**
 * The board in a Redis or Valkey: one script per exchange, the keys of a topic in one slot of a cluster. A client that is
 * left to its defaults never answers while a server hangs; here every wait has an end, nothing is queued for later and
 * nothing is sent twice (promises.md fact 9, rows 76 to 80).
 */
import { createHash } from 'node:crypto'
import { Cluster, Redis, type ClusterNode } from 'ioredis'
import {
  BoardError,
  LEASE_MS,
  WORD_MS,
  type Board,
  type BoardFault,
  type BoardTraffic,
  type Exchange,
  type Exchanged,
} from './board.ts'
import { EXCHANGE, LEAVE } from './scripts.ts'

export interface RedisAddress {
  readonly host: string
  readonly port: number
}

export interface RedisTarget {
  /** One server, the nodes of a cluster to ask first, or sentinels. */
  readonly kind: 'single' | 'cluster' | 'sentinel'
  readonly addresses: readonly RedisAddress[]
  /** Name of the master that the sentinels watch. */
  readonly master: string | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  /** Undefined = without TLS. Certificates are always verified. */
  readonly tls: { readonly ca: string | undefined } | undefined
  /** Before every key. */
  readonly prefix: string
  /** Seals what is said of callers; undefined = anybody may read it who may read the server. */
  readonly secret?: Buffer | undefined
}

/** ioredis' own; ten round trips inside a zone, and still far below one exchange. */
const COMMAND_MS = 250
const CONNECT_MS = 1000
/** A connection that owes an answer for so long is dead: it and what it remembers of commands are given up. */
const SOCKET_MS = 2000
const RECONNECT_MIN_MS = 50
const RECONNECT_MAX_MS = 2000
/** Epochs outlive any pause of a fleet that would still remember them. */
const EPOCH_MS = 86_400_000
/** Errors in a row that ioredis may hear from nodes while it looks for the one of a slot; `COMMAND_MS` bounds them all. */
const REDIRECTIONS = 5

type Client = Redis | Cluster

export class RedisBoard implements Board {
  readonly kind = 'redis'
  readonly traffic: BoardTraffic & { commands: number; bytes: number } = { commands: 0, bytes: 0 }
  readonly #client: Client
  readonly #prefix: string
  #closed = false

  /** @param onError what the client meets between two exchanges; it reconnects by itself */
  constructor(target: RedisTarget, onError: (error: Error) => void = () => {}) {
    this.#prefix = target.prefix
    this.#client = connect(target)
    this.#client.on('error', onError)
  }

  async exchange(exchange: Exchange): Promise<Exchanged> {
    const { topic, replica, word, claim, epoch } = exchange
    const reply = await this.#run(
      EXCHANGE,
      EXCHANGE_SHA,
      ['words', 'steward', 'epoch'].map((name) => this.#key(topic, name)),
      [replica, Buffer.from(word), WORD_MS, claim ? '1' : '0', LEASE_MS, epoch, EPOCH_MS],
    )
    this.traffic.bytes += word.byteLength
    return this.#read(reply)
  }

  async leave(replica: string, topics: readonly string[]): Promise<void> {
    const leaving = topics.map((topic) => {
      const keys = ['words', 'steward'].map((name) => this.#key(topic, name))
      return this.#run(LEAVE, LEAVE_SHA, keys, [replica, WORD_MS])
    })
    await Promise.allSettled(leaving)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#client.disconnect()
  }

  #key(topic: string, name: string): string {
    return `${this.#prefix}:{${topic}}:${name}`
  }

  async #run(
    script: string,
    sha: string,
    keys: readonly string[],
    args: readonly (string | number | Buffer)[],
  ) {
    if (this.#closed) throw new BoardError('closed', 'the board is closed')
    const rest = [keys.length, ...keys, ...args]
    this.traffic.commands += 1
    try {
      return await this.#client.callBuffer('EVALSHA', sha, ...rest)
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw boardError(error)
    }
    this.traffic.commands += 1
    try {
      return await this.#client.callBuffer('EVAL', script, ...rest)
    } catch (error) {
      throw boardError(error)
    }
  }

  #read(reply: unknown): Exchanged {
    if (!Array.isArray(reply)) throw new BoardError('refused', 'the script answered something else')
    const [steward, epoch, ...flat] = reply as readonly unknown[]
    const words: { replica: string; word: Uint8Array }[] = []
    for (let at = 0; at + 1 < flat.length; at += 2) {
      const word = flat[at + 1]
      if (!(word instanceof Uint8Array)) continue
      this.traffic.bytes += word.byteLength
      words.push({ replica: String(flat[at]), word })
    }
    return { words, steward: String(steward), epoch: Number(epoch) }
  }
}

const EXCHANGE_SHA = sha1(EXCHANGE)
const LEAVE_SHA = sha1(LEAVE)

function connect(target: RedisTarget): Client {
  const options = {
    ...(target.username === undefined ? {} : { username: target.username }),
    ...(target.password === undefined ? {} : { password: target.password }),
    db: target.database,
    ...(target.tls === undefined ? {} : { tls: target.tls.ca === undefined ? {} : { ca: target.tls.ca } }),
    connectionName: 'weir-board',
    connectTimeout: CONNECT_MS,
    commandTimeout: COMMAND_MS,
    socketTimeout: SOCKET_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    enableAutoPipelining: false,
    // A master that became a replica: the name or the sentinels may know a better one by now.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  }
  const [first = { host: '127.0.0.1', port: 6379 }] = target.addresses
  if (target.kind === 'cluster') {
    const nodes: ClusterNode[] = target.addresses.map(({ host, port }) => ({ host, port }))
    return new Cluster(nodes, {
      // A cluster has one database.
      redisOptions: { ...options, db: 0 },
      enableOfflineQueue: false,
      maxRedirections: REDIRECTIONS,
      retryDelayOnFailover: RECONNECT_MIN_MS,
      slotsRefreshTimeout: CONNECT_MS,
      clusterRetryStrategy: backoff,
    })
  }
  if (target.kind === 'sentinel') {
    return new Redis({
      ...options,
      retryStrategy: backoff,
      sentinels: target.addresses.map(({ host, port }) => ({ host, port })),
      name: target.master ?? 'mymaster',
      sentinelRetryStrategy: backoff,
      ...(target.tls === undefined ? {} : { enableTLSForSentinelMode: true }),
    })
  }
  return new Redis({ ...options, retryStrategy: backoff, host: first.host, port: first.port })
}

/** Doubling, with half of it left to chance, so that a fleet does not come back in one instant. */
function backoff(times: number): number {
  const ms = Math.min(RECONNECT_MAX_MS, RECONNECT_MIN_MS * 2 ** Math.min(times, 10))
  return ms * (0.5 + Math.random() / 2)
}

function boardError(error: unknown): BoardError {
  const message = messageOf(error)
  return new BoardError(faultOf(message), message.slice(0, 200))
}

function faultOf(message: string): BoardFault {
  if (message.startsWith('OOM')) return 'full'
  if (message.startsWith('READONLY')) return 'read-only'
  if (/^(NOAUTH|NOPERM|WRONGPASS|ERR|WRONGTYPE)\b/.test(message)) return 'refused'
  return /timed? ?out/i.test(message) ? 'timeout' : 'unreachable'
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function sha1(text: string): string {
  return createHash('sha1').update(text).digest('hex')
}
