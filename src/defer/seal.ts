/**
 * What agents say is kept sealed: AES-256-GCM (NIST SP 800-38D) with a fresh 96-bit nonce, bound to the id of its
 * call and to what it is, so that no box can stand for another. The box names its key: several may be in use, the
 * first one seals.
 *
 * ```
 * version (1) | key id (4) | nonce (12) | tag (16) | sealed bytes
 * ```
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** What a box holds. */
export type Sealed = 'call' | 'answer'

const VERSION = 1
const ID_BYTES = 4
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + ID_BYTES + NONCE_BYTES + TAG_BYTES

interface Key {
  readonly id: string
  readonly bytes: Buffer
}

/** no-key: sealed under a key that is not here. damaged: not what was sealed, or not for this call. */
export type Unsealed =
  | { readonly ok: true; readonly bytes: Buffer }
  | { readonly ok: false; readonly why: 'no-key'; readonly keyId: string }
  | { readonly ok: false; readonly why: 'damaged' }

export class Keyring {
  readonly #keys: ReadonlyMap<string, Key>
  readonly #first: Key

  /** @param secrets texts of 32 characters or more, the one that seals first */
  constructor(secrets: readonly string[]) {
    const keys = secrets.map(keyOf)
    const [first] = keys
    if (first === undefined) throw new TypeError('Keyring: at least one secret')
    this.#first = first
    this.#keys = new Map(keys.map((key) => [key.id, key]))
  }

  /** Short names of the keys, safe to show; the one that seals first. */
  get ids(): readonly string[] {
    return [this.#first.id, ...[...this.#keys.keys()].filter((id) => id !== this.#first.id)]
  }

  seal(id: string, what: Sealed, bytes: Buffer): Buffer {
    const { id: keyId, bytes: key } = this.#first
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', key, nonce)
    cipher.setAAD(Buffer.from(`${what} ${id}`))
    const sealed = Buffer.concat([cipher.update(bytes), cipher.final()])
    const head = Buffer.concat([
      Buffer.from([VERSION]),
      Buffer.from(keyId, 'hex'),
      nonce,
      cipher.getAuthTag(),
    ])
    return Buffer.concat([head, sealed])
  }

  open(id: string, what: Sealed, box: Buffer): Unsealed {
    if (box.length < HEAD_BYTES || box[0] !== VERSION) return { ok: false, why: 'damaged' }
    const keyId = box.toString('hex', 1, 1 + ID_BYTES)
    const key = this.#keys.get(keyId)
    if (key === undefined) return { ok: false, why: 'no-key', keyId }
    const nonceEnd = 1 + ID_BYTES + NONCE_BYTES
    try {
      const nonce = box.subarray(1 + ID_BYTES, nonceEnd)
      const decipher = createDecipheriv('aes-256-gcm', key.bytes, nonce, { authTagLength: TAG_BYTES })
      decipher.setAAD(Buffer.from(`${what} ${id}`))
      decipher.setAuthTag(box.subarray(nonceEnd, HEAD_BYTES))
      return { ok: true, bytes: Buffer.concat([decipher.update(box.subarray(HEAD_BYTES)), decipher.final()]) }
    } catch {
      return { ok: false, why: 'damaged' }
    }
  }
}

/** HKDF (RFC 5869): the name tells nothing of the key. */
function keyOf(secret: string): Key {
  const derive = (info: string, bytes: number): Buffer =>
    Buffer.from(hkdfSync('sha256', secret, '', info, bytes))
  return {
    id: derive('weir deferral key id', ID_BYTES).toString('hex'),
    bytes: derive('weir deferral key', 32),
  }
}
