/**
 * Texts that Weir gives a client to bring back: sealed, so that nobody reads or changes them on the way. The key lies in
 * the store of the commons, so whatever replica shares the store can open what another one gave.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { step, unchanged } from '../step.ts'
import type { Store } from '../store.ts'

const KEY = 'mcp-key/seal'
const KEY_BYTES = 32
/** As NIST SP 800-38D wants them. */
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Texts of another version are refused, as are all that were not sealed. */
const ABOUT = Buffer.from('weir-mcp-1')

export class Seal {
  readonly #store: Store
  #key: Promise<Buffer> | undefined

  constructor(store: Store) {
    this.#store = store
  }

  async close(text: string): Promise<string> {
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', await this.#read(), nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(ABOUT)
    const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url')
  }

  /** Undefined = it was not sealed here, or was changed. */
  async open(sealed: string): Promise<string | undefined> {
    const bytes = Buffer.from(sealed, 'base64url')
    // Decoding skips what is no base64url: only the one way to write it is taken.
    if (bytes.length < NONCE_BYTES + TAG_BYTES || bytes.toString('base64url') !== sealed) return undefined
    const nonce = bytes.subarray(0, NONCE_BYTES)
    const decipher = createDecipheriv('aes-256-gcm', await this.#read(), nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(ABOUT)
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
    try {
      const opened = [decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]
      return Buffer.concat(opened).toString('utf8')
    } catch {
      return undefined
    }
  }

  async #read(): Promise<Buffer> {
    const reading = (this.#key ??= this.#fetch())
    try {
      return await reading
    } catch (error) {
      this.#key = undefined
      throw error
    }
  }

  /** Whoever is first makes it. */
  #fetch(): Promise<Buffer> {
    return step(this.#store, async () => {
      const stored = await this.#store.get(KEY)
      if (stored !== undefined) return unchanged(Buffer.from(stored.value, 'base64url'))
      const made = randomBytes(KEY_BYTES)
      const value = made.toString('base64url')
      return { changes: [{ do: 'put', key: KEY, value, expected: 'absent' }], result: () => made }
    })
  }
}
