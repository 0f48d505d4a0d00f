/** A binary heap: the entry with the least `at` comes first, and of equal ones the one that came first. */
export interface Ordered {
  readonly at: number
  readonly order: number
}

export class LeastFirst<T extends Ordered> {
  readonly #heap: T[] = []

  get size(): number {
    return this.#heap.length
  }

  peek(): T | undefined {
    return this.#heap[0]
  }

  push(entry: T): void {
    const heap = this.#heap
    let index = heap.length
    heap.push(entry)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (!isBefore(entry, heap[parent]!)) break
      heap[index] = heap[parent]!
      index = parent
    }
    heap[index] = entry
  }

  pop(): T | undefined {
    const heap = this.#heap
    const least = heap[0]
    const last = heap.pop()
    const size = heap.length
    if (last === undefined || size === 0) return least
    let index = 0
    for (;;) {
      let child = index * 2 + 1
      if (child >= size) break
      if (child + 1 < size && isBefore(heap[child + 1]!, heap[child]!)) child += 1
      if (!isBefore(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
    return least
  }
}

function isBefore(one: Ordered, other: Ordered): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
