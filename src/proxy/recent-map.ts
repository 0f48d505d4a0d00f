/**
 * A bounded memory of recent keys at the price of one `Map.get` per hit: two generations, and when the young one
 * is full it becomes the old one. A key in use is never forgotten; one that was not asked for in two
 * generations is. Memory: at most `size` entries.
 */
export class RecentMap<V> {
  readonly #half: number
  #young = new Map<string, V>()
  #old = new Map<string, V>()

  /** @param size entries at most; at least 2 */
  constructor(size: number) {
    this.#half = Math.max(1, size >> 1)
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: string): V | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old === undefined) return undefined
    this.#old.delete(key)
    this.set(key, old)
    return old
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(key, value)
  }
}
