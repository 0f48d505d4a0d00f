/**
 * Two hashes, both keyed, so that a number in a journal cannot be matched with one made elsewhere:
 * - `KeyedHash`, 53 bits, fast, not cryptographic: fingerprints of calls and peers;
 * - `SecretNames`, HMAC-SHA256: the only form in which a credential leaves this file.
 */
import { createHmac } from 'node:crypto'
import { RecentMap } from './recent-map.ts'

const HIGH_UNIT = 2 ** 32
/** 53 bits in all: what a double holds exactly. */
const HIGH_MASK = 0x1fffff
/** FNV-1a, 32 bit (Fowler, Noll, Vo). */
const FNV_PRIME = 0x01000193
/** Multipliers of MurmurHash3's finaliser (A. Appleby, public domain); the second lane needs another odd factor. */
const MIX_1 = 0x85ebca6b
const MIX_2 = 0xc2b2ae35
/** Ends a field, so that ("ab", "c") and ("a", "bc") differ; no char code of a header reaches it. */
const FIELD_END = 0x10ffff

export class KeyedHash {
  readonly #seedLow: number
  readonly #seedHigh: number
  #low = 0
  #high = 0

  constructor(key: Buffer) {
    const seed = createHmac('sha256', key).update('weir fingerprint').digest()
    this.#seedLow = seed.readInt32LE(0)
    this.#seedHigh = seed.readInt32LE(4)
  }

  /** Begins a new hash. */
  begin(): this {
    this.#low = this.#seedLow
    this.#high = this.#seedHigh
    return this
  }

  /** Takes one text field. */
  text(value: string): this {
    let low = this.#low
    let high = this.#high
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      low = Math.imul(low ^ code, FNV_PRIME)
      high = Math.imul(high ^ code, MIX_1)
    }
    this.#low = Math.imul(low ^ FIELD_END ^ (low >>> 15), MIX_2)
    this.#high = Math.imul(high ^ FIELD_END ^ (high >>> 13), FNV_PRIME)
    return this
  }

  /** Takes one whole number, negative ones too. */
  number(value: number): this {
    const high = Math.floor(value / HIGH_UNIT)
    this.#low = Math.imul(this.#low ^ value ^ high, MIX_1)
    this.#high = Math.imul(this.#high ^ value ^ Math.imul(high, MIX_1), MIX_2)
    this.#low ^= this.#low >>> 14
    this.#high ^= this.#high >>> 15
    return this
  }

  /** 1 to 2^53 - 1; never 0, which means "none" in the core. */
  end(): number {
    let low = this.#low ^ (this.#high >>> 11)
    low = Math.imul(low ^ (low >>> 16), MIX_1)
    low = Math.imul(low ^ (low >>> 13), MIX_2)
    low ^= low >>> 16
    let high = this.#high ^ Math.imul(low, FNV_PRIME)
    high = Math.imul(high ^ (high >>> 16), MIX_2)
    high = Math.imul(high ^ (high >>> 13), MIX_1)
    high ^= high >>> 16
    const hash = (high & HIGH_MASK) * HIGH_UNIT + (low >>> 0)
    return hash === 0 ? 1 : hash
  }
}

/** 12 hex digits of a 53-bit hash, as names carry them. */
export function shortHex(hash: number): string {
  return sixHex(Math.floor(hash / 2 ** 24)) + sixHex(hash)
}

/** Of the lowest 24 bits: small integers are much faster than doubles here. */
function sixHex(value: number): string {
  return ((value & 0xffffff) | 0x1000000).toString(16).slice(1)
}

/** What stands for a credential. */
export interface SecretName {
  /** 12 hex digits: 48 bits, so that 10,000 keys collide with odds of 2 in 10 million. */
  readonly hex: string
  /** 53 bits, never 0. */
  readonly hash: number
}

/** One HMAC costs about 3 us; the keys in use are remembered. */
const REMEMBERED_SECRETS = 10_000
/** Longer ones are hashed anew each time, or a flood of them would fill memory. 10,000 of these are 10 MB. */
const LONGEST_REMEMBERED = 1024

export class SecretNames {
  readonly #key: Buffer
  readonly #known = new RecentMap<SecretName>(REMEMBERED_SECRETS)

  constructor(key: Buffer) {
    this.#key = key
  }

  get remembered(): number {
    return this.#known.size
  }

  nameOf(secret: string): SecretName {
    const known = this.#known.get(secret)
    if (known !== undefined) return known
    const digest = createHmac('sha256', this.#key).update(secret).digest()
    const hash = (digest.readUInt32LE(8) & HIGH_MASK) * HIGH_UNIT + digest.readUInt32LE(12)
    const name = { hex: digest.toString('hex', 0, 6), hash: hash === 0 ? 1 : hash }
    if (secret.length <= LONGEST_REMEMBERED) this.#known.set(secret, name)
    return name
  }
}
