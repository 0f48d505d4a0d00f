/**
 * Names to slots: a hash table of fixed size, eight places to a bucket of one cache line. A look-up by a fresh string
 * takes half as long as in a `Map`, which walks a chain through the strings themselves (`bench/micro/names.bench.ts`).
 *
 * Work is bounded whatever names are sent: a name has its place in one of four neighbouring buckets or none at all.
 * The table has room for twice as many names as asked for, so that happens to nobody by chance; names that are made
 * to meet there would have to be found without knowing the seed.
 *
 * Memory: 16 to 32 bytes per name, beside the names.
 */
const WAYS = 8
const REACH = 4
const FREE = 0
/** A place: the name's hash, then its slot. */
const HASH = 0
const SLOT = 1
const PLACE = 2
const ANY = -1

export class NameIndex {
  readonly #places: Int32Array
  readonly #buckets: number
  readonly #seed: number
  /** By slot; '' = it has no name. */
  readonly #names: string[] = []
  #size = 0

  /** @param most names at a time */
  constructor(most: number, seed: number) {
    this.#buckets = Math.max(REACH, 2 ** Math.ceil(Math.log2((2 * most) / WAYS)))
    this.#places = new Int32Array(this.#buckets * WAYS * PLACE)
    this.#seed = seed
  }

  /** Names that have a slot. */
  get size(): number {
    return this.#size
  }

  get bytes(): number {
    return this.#places.byteLength
  }

  /** '' for a slot without a name. */
  nameOf(slot: number): string {
    return this.#names[slot] ?? ''
  }

  /** The slot of a name; -1 = it has none. */
  find(name: string): number {
    const hash = this.#hash(name)
    const places = this.#places
    for (let step = 0; step < REACH; step++) {
      const first = this.#bucket(hash, step)
      for (let place = first; place < first + WAYS * PLACE; place += PLACE) {
        if (places[place + HASH] !== hash) continue
        const slot = places[place + SLOT]!
        if (this.#names[slot] === name) return slot
      }
    }
    return -1
  }

  /** Gives a slot to a name that has none; false = the places that the name could have are taken. */
  add(name: string, slot: number): boolean {
    const hash = this.#hash(name)
    const place = this.#place(hash, FREE, ANY)
    if (place === -1) return false
    this.#places[place + HASH] = hash
    this.#places[place + SLOT] = slot
    this.#names[slot] = name
    this.#size += 1
    return true
  }

  /** Takes a slot from its name. */
  remove(slot: number): void {
    const hash = this.#hash(this.nameOf(slot))
    const place = this.#place(hash, hash, slot)
    if (place === -1) return
    this.#places[place + HASH] = FREE
    this.#names[slot] = ''
    this.#size -= 1
  }

  /** The place, of those that a name of this hash could have, that says what is `wanted`; -1 = none does. */
  #place(hash: number, wanted: number, slot: number): number {
    for (let step = 0; step < REACH; step++) {
      const first = this.#bucket(hash, step)
      for (let place = first; place < first + WAYS * PLACE; place += PLACE) {
        if (this.#places[place + HASH] !== wanted) continue
        if (slot === ANY || this.#places[place + SLOT] === slot) return place
      }
    }
    return -1
  }

  #bucket(hash: number, step: number): number {
    return ((hash + step) & (this.#buckets - 1)) * WAYS * PLACE
  }

  /**
   * FNV-1a over the characters, from a start that is not told; then the last step of MurmurHash3 (Appleby, public
   * domain), as the names of a fleet differ in their last digits only. Never 0, which marks a free place.
   */
  #hash(name: string): number {
    let hash = 0x811c9dc5 ^ this.#seed
    for (let index = 0; index < name.length; index++)
      hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
    hash ^= hash >>> 16
    return hash === FREE ? 1 : hash
  }
}
