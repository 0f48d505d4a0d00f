/**
 * A binary min-heap of small whole numbers by a key, where any member can be moved or taken out by its number:
 * what leaves early (a client that goes away) must not be searched for. O(log n), no allocation but growth.
 */
export class IndexedHeap {
  #ids = new Int32Array(16)
  #keys = new Float64Array(16)
  /** Place in the heap by id; 0 = not in it, else place + 1. */
  #places = new Int32Array(16)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The member with the least key; -1 = empty. Ties go either way, the same way every time. */
  get top(): number {
    return this.#size === 0 ? -1 : (this.#ids[0] ?? -1)
  }

  /** The least key; Infinity = empty. */
  get topKey(): number {
    return this.#size === 0 ? Infinity : (this.#keys[0] ?? Infinity)
  }

  has(id: number): boolean {
    return (this.#places[id] ?? 0) > 0
  }

  /** Of a member; Infinity = it is not in. */
  keyOf(id: number): number {
    const place = (this.#places[id] ?? 0) - 1
    return place < 0 ? Infinity : (this.#keys[place] ?? Infinity)
  }

  /** Puts a member in, or moves it to another key. */
  set(id: number, key: number): void {
    if (id >= this.#places.length) this.#places = enlarged(this.#places, id)
    const place = (this.#places[id] ?? 0) - 1
    if (place >= 0) {
      const before = this.#keys[place] ?? 0
      if (key < before) this.#up(place, id, key)
      else this.#down(place, id, key)
      return
    }
    if (this.#size === this.#ids.length) {
      this.#ids = enlarged(this.#ids, this.#size)
      const keys = new Float64Array(this.#ids.length)
      keys.set(this.#keys)
      this.#keys = keys
    }
    this.#up(this.#size++, id, key)
  }

  /** Takes a member out; false if it is not in. */
  remove(id: number): boolean {
    const place = (this.#places[id] ?? 0) - 1
    if (place < 0) return false
    this.#places[id] = 0
    const last = --this.#size
    if (place === last) return true
    const lastId = this.#ids[last] ?? 0
    const lastKey = this.#keys[last] ?? 0
    if (lastKey < (this.#keys[place] ?? 0)) this.#up(place, lastId, lastKey)
    else this.#down(place, lastId, lastKey)
    return true
  }

  #up(from: number, id: number, key: number): void {
    let place = from
    while (place > 0) {
      const parent = (place - 1) >> 1
      const parentKey = this.#keys[parent] ?? 0
      if (parentKey <= key) break
      this.#put(place, this.#ids[parent] ?? 0, parentKey)
      place = parent
    }
    this.#put(place, id, key)
  }

  #down(from: number, id: number, key: number): void {
    let place = from
    for (;;) {
      let child = 2 * place + 1
      if (child >= this.#size) break
      const right = child + 1
      if (right < this.#size && (this.#keys[right] ?? 0) < (this.#keys[child] ?? 0)) child = right
      const childKey = this.#keys[child] ?? 0
      if (childKey >= key) break
      this.#put(place, this.#ids[child] ?? 0, childKey)
      place = child
    }
    this.#put(place, id, key)
  }

  #put(place: number, id: number, key: number): void {
    this.#ids[place] = id
    this.#keys[place] = key
    this.#places[id] = place + 1
  }
}

function enlarged(array: Int32Array, index: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(2 * array.length, index + 1))
  larger.set(array)
  return larger
}
