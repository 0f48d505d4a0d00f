/**
 * API keys, `id.secret`: the id finds the record, the secret is 256 random bits of which a file keeps the SHA-256. A
 * slow hash would protect a secret that can be guessed; this one cannot, and a slow hash is a way to stop a proxy.
 *
 * A check takes the same steps whether or not the id exists: no answer and no time tells which ids there are.
 */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

export interface KeyRecord {
  readonly id: string
  readonly agent: string
  /** SHA-256 of the secret, lower-case hex. */
  readonly sha256: string
  /** Wall clock in ms; Infinity = none. */
  readonly createdAt: number
  readonly expiresAt: number
}

export const KEY_ID = /^[A-Za-z0-9_-]{1,64}$/
export const KEY_ID_ALLOWED = '1 to 64 letters, digits, - and _'

const SECRET_BYTES = 32
const ID_BYTES = 6
/** No key that was made here is longer; a longer text is not worth hashing. */
const LONGEST = 256

export interface NewKey {
  readonly record: KeyRecord
  /** What the agent shows. It is nowhere else. */
  readonly key: string
}

export function newKey(agent: string, createdAt: number, expiresAt = Infinity, id = randomId()): NewKey {
  const secret = randomBytes(SECRET_BYTES).toString('base64url')
  return {
    record: { id, agent, sha256: hash('sha256', secret), createdAt, expiresAt },
    key: `${id}.${secret}`,
  }
}

function randomId(): string {
  return `wk_${randomBytes(ID_BYTES).toString('hex')}`
}

interface Known {
  readonly agent: string
  readonly digest: Buffer
  readonly expiresAt: number
}

/** The keys in force. */
export class KeyRing {
  readonly #known: ReadonlyMap<string, Known>
  /** Compared with where there is no record: nothing hashes to it but by chance. */
  readonly #nobody: Known = { agent: '', digest: randomBytes(32), expiresAt: -Infinity }

  constructor(records: readonly KeyRecord[]) {
    this.#known = new Map(
      records.map(({ id, agent, sha256, expiresAt }) => [
        id,
        { agent, digest: Buffer.from(sha256, 'hex'), expiresAt },
      ]),
    )
  }

  get size(): number {
    return this.#known.size
  }

  /** Names of agents that have a key. */
  agents(): string[] {
    return [...new Set([...this.#known.values()].map(({ agent }) => agent))]
  }

  /** The agent whose key it is; '' = nobody's, or one that is over. `wall` in ms. */
  check(text: string, wall: number): string {
    if (text.length > LONGEST) return ''
    const dot = text.indexOf('.')
    const known = this.#known.get(text.slice(0, Math.max(0, dot))) ?? this.#nobody
    const digest = hash('sha256', text.slice(dot + 1), 'buffer')
    const isRight = timingSafeEqual(digest, known.digest)
    return isRight && wall < known.expiresAt ? known.agent : ''
  }
}
