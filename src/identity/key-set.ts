/**
 * The public keys of an issuer (JWKS, RFC 7517), from a file or a URL. The last good set stays when a new one cannot be
 * had, for a day at most: whoever can keep Weir from the issuer must not keep a withdrawn key alive. Only the configured
 * address is dialled, no redirect is followed, and no token can make Weir ask more often than every half minute.
 */
import { readFileSync } from 'node:fs'
import type { JSONWebKeySet } from 'jose'
import { Agent, request } from 'undici'
import type { Millis } from '../core/model.ts'

/** How long a set is taken without another look; the default of `jose`, and of agentgateway. */
const FRESH_MS: Millis = 10 * 60_000
/** Between two looks because of a key that is not in the set; the default of `jose`. */
const COOLDOWN_MS: Millis = 30_000
/** After a look that failed; doubled up to `FRESH_MS`. */
const RETRY_MS: Millis = 5000
/** As `timeoutDuration` of `jose`. */
const TIMEOUT_MS: Millis = 5000
const LARGEST_BYTES = 256 * 1024
const MOST_KEYS = 100
/** promises.md 1b: a set that was had keeps authentication up while its issuer is away. */
const STALE_MS: Millis = 24 * 3_600_000

export interface RemoteKeySet {
  readonly url: URL
  /** PEM text of extra trusted authorities. */
  readonly ca: string | undefined
  /** A file with a bearer token for the URL: Kubernetes wants one unless anonymous access is allowed. */
  readonly tokenFile: string | undefined
}

export interface KeySetOptions {
  readonly clock: () => Millis
  readonly onProblem: (problem: string | undefined) => void
  /** The set is another. */
  readonly onChange?: () => void
}

export class KeySet {
  readonly #source: RemoteKeySet | undefined
  readonly #options: KeySetOptions
  readonly #agent: Agent | undefined
  #keys: JSONWebKeySet | undefined
  #takenAt: Millis = -Infinity
  #lookedAt: Millis = -Infinity
  #failures = 0
  #looking: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #isStopped = false
  #generation = 0

  /** @param source undefined = the text comes by `take`, from a file that somebody watches */
  constructor(source: RemoteKeySet | undefined, options: KeySetOptions) {
    this.#source = source
    this.#options = options
    if (source === undefined) return
    this.#agent = new Agent({
      connections: 1,
      connect: { timeout: TIMEOUT_MS, ...(source.ca === undefined ? {} : { ca: source.ca }) },
    })
  }

  /** Undefined = there is none, or it is too old to be believed. */
  get keys(): JSONWebKeySet | undefined {
    const isStale = this.#source !== undefined && this.#options.clock() - this.#takenAt > STALE_MS
    return isStale ? undefined : this.#keys
  }

  /** Changes with the set. */
  get generation(): number {
    return this.#generation
  }

  /** Since the set was had; Infinity = never. */
  get ageMs(): Millis {
    return this.#options.clock() - this.#takenAt
  }

  /** @throws with a sentence for people */
  take(text: string): void {
    const keys = parseKeySet(text)
    this.#takenAt = this.#options.clock()
    if (JSON.stringify(keys) === JSON.stringify(this.#keys)) return
    this.#keys = keys
    this.#generation += 1
    this.#options.onChange?.()
  }

  /** Looks for the first time, and again before the set grows old. Never rejects. */
  async start(): Promise<void> {
    if (this.#source !== undefined) await this.#look()
  }

  /** A token names a key that is not there: looks again, unless that was done a moment ago. */
  async refresh(): Promise<void> {
    if (this.#source === undefined || this.#isStopped) return
    if (this.#looking === undefined && this.#options.clock() - this.#lookedAt < COOLDOWN_MS) return
    await this.#look()
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    clearTimeout(this.#timer)
    await this.#agent?.destroy()
  }

  #look(): Promise<void> {
    this.#looking ??= this.#fetch().finally(() => {
      this.#looking = undefined
      if (this.#isStopped) return
      const waitMs =
        this.#failures === 0 ? FRESH_MS : Math.min(FRESH_MS, RETRY_MS * 2 ** (this.#failures - 1))
      clearTimeout(this.#timer)
      this.#timer = setTimeout(() => void this.#look(), waitMs)
      this.#timer.unref()
    })
    return this.#looking
  }

  async #fetch(): Promise<void> {
    this.#lookedAt = this.#options.clock()
    try {
      this.take(await this.#text())
      this.#failures = 0
      this.#options.onProblem(undefined)
    } catch (error) {
      this.#failures = Math.min(16, this.#failures + 1)
      if (!this.#isStopped) this.#options.onProblem(problemOf(error))
    }
  }

  async #text(): Promise<string> {
    const { url, tokenFile } = this.#source!
    const bearer = tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim()
    const answer = await request(url, {
      dispatcher: this.#agent!,
      headers: {
        accept: 'application/jwk-set+json, application/json',
        ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    // Destroyed below, it tells that as an error, which would have no reader.
    answer.body.on('error', () => {})
    if (answer.statusCode !== 200) {
      answer.body.destroy()
      throw new Error(`the issuer answered ${answer.statusCode}`)
    }
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of answer.body) {
      const part: Buffer = chunk
      bytes += part.length
      if (bytes > LARGEST_BYTES) throw new Error(`the set is larger than ${LARGEST_BYTES} bytes`)
      chunks.push(part)
    }
    return Buffer.concat(chunks, bytes).toString('utf8')
  }
}

/** Only public keys for signatures. @throws with a sentence for people */
export function parseKeySet(text: string): JSONWebKeySet {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    throw new Error('it is not JSON')
  }
  const keys: unknown =
    typeof parsed === 'object' && parsed !== null ? Reflect.get(parsed, 'keys') : undefined
  if (!Array.isArray(keys)) throw new Error('it is no JWK set: `keys` is not a list')
  if (keys.length > MOST_KEYS) throw new Error(`it holds ${keys.length} keys; allowed: ${MOST_KEYS}`)
  const fitting = keys.filter(isPublicKey)
  if (fitting.length === 0) throw new Error('it holds no public key (RSA, EC or OKP)')
  return { keys: fitting }
}

const KEY_TYPES: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP'])

function isPublicKey(key: unknown): key is JSONWebKeySet['keys'][number] {
  return typeof key === 'object' && key !== null && KEY_TYPES.has(Reflect.get(key, 'kty')) && !('d' in key)
}

/** Codes and sentences of ours; what an issuer sent is not quoted. */
function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown error'
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}
