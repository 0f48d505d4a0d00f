/**
 * Keys in the order of a number, equal ones by key. Chunks of a few hundred in a row: finding is two binary searches,
 * adding moves one chunk. Enough for a store in memory, and simple enough to be obviously right.
 */
export interface SortedKey {
  readonly at: number
  readonly key: string
}

const LARGEST_CHUNK = 512

export class SortedKeys {
  #chunks: SortedKey[][] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  add(at: number, key: string): void {
    const entry = { at, key }
    this.#size += 1
    const place = Math.min(this.#chunkOf(entry), this.#chunks.length - 1)
    const chunk = this.#chunks[place]
    if (chunk === undefined) {
      this.#chunks.push([entry])
      return
    }
    chunk.splice(firstNotBefore(chunk, entry), 0, entry)
    if (chunk.length > LARGEST_CHUNK) this.#chunks.splice(place + 1, 0, chunk.splice(LARGEST_CHUNK / 2))
  }

  delete(at: number, key: string): void {
    const entry = { at, key }
    const place = this.#chunkOf(entry)
    const chunk = this.#chunks[place]
    if (chunk === undefined) return
    const index = firstNotBefore(chunk, entry)
    const found = chunk[index]
    if (found?.at !== at || found.key !== key) return
    chunk.splice(index, 1)
    this.#size -= 1
    if (chunk.length === 0) this.#chunks.splice(place, 1)
  }

  /** From the first entry that is not before this one; must not be changed meanwhile. */
  *from(at: number, key: string): Generator<SortedKey> {
    const entry = { at, key }
    const start = this.#chunkOf(entry)
    for (let place = start; place < this.#chunks.length; place++) {
      const chunk = this.#chunks[place]!
      for (let index = place === start ? firstNotBefore(chunk, entry) : 0; index < chunk.length; index++) {
        yield chunk[index]!
      }
    }
  }

  /** The first chunk whose last entry is not before this one. */
  #chunkOf(entry: SortedKey): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(this.#chunks[middle]!.at(-1)!, entry)) low = middle + 1
      else high = middle
    }
    return low
  }
}

function firstNotBefore(chunk: readonly SortedKey[], entry: SortedKey): number {
  let low = 0
  let high = chunk.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (isBefore(chunk[middle]!, entry)) low = middle + 1
    else high = middle
  }
  return low
}

function isBefore(one: SortedKey, other: SortedKey): boolean {
  return one.at < other.at || (one.at === other.at && one.key < other.key)
}
