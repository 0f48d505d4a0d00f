/**
 * How deep in a tree of agents or sessions a name stands, as far as the wire tells parents. A cache of fixed
 * size, four names per set, the oldest of a set goes first; keyed by a 32-bit hash, so two names in billions
 * of pairs may share a depth: a reading, never a right.
 *
 * Memory: 5 bytes per entry, 80 KiB by default.
 */
const WAYS = 4
const DEEPEST = 255

export class DepthTable {
  readonly #keys: Uint32Array
  readonly #depths: Uint8Array
  readonly #turns: Uint8Array
  readonly #sets: number

  /** @param size names remembered; rounded up to a multiple of four */
  constructor(size = 16_384) {
    this.#sets = Math.ceil(size / WAYS)
    this.#keys = new Uint32Array(this.#sets * WAYS)
    this.#depths = new Uint8Array(this.#sets * WAYS)
    this.#turns = new Uint8Array(this.#sets)
  }

  /** 0 = a root, or not known. */
  depthOf(name: string): number {
    const key = hash(name)
    const first = (key % this.#sets) * WAYS
    for (let way = first; way < first + WAYS; way++)
      if (this.#keys[way] === key) return this.#depths[way] ?? 0
    return 0
  }

  /** Puts a name one below its parent, and returns that depth. */
  place(name: string, parent: string): number {
    const depth = Math.min(DEEPEST, this.depthOf(parent) + 1)
    this.#set(hash(name), depth)
    return depth
  }

  #set(key: number, depth: number): void {
    const set = key % this.#sets
    const first = set * WAYS
    let place = -1
    for (let way = first; way < first + WAYS && place === -1; way++) if (this.#keys[way] === key) place = way
    if (place === -1) {
      const turn = this.#turns[set] ?? 0
      this.#turns[set] = (turn + 1) % WAYS
      place = first + turn
    }
    this.#keys[place] = key
    this.#depths[place] = depth
  }
}

/** FNV-1a, 32 bits; never 0, which marks an empty place. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index++)
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  return value >>> 0 || 1
}
