/** Virtual time: a clock that only moves to the next event. Same events in, same order out. */
import type { Millis } from '../../../core/model.ts'

interface Entry {
  readonly at: Millis
  readonly order: number
  readonly run: () => void
  cancelled: boolean
}

export interface Timer {
  cancel(): void
}

export class World {
  now: Millis = 0
  readonly #heap: Entry[] = []
  #order = 0

  /** Runs `run` at `at`, or now if that is past; events of one instant run in the order of their making. */
  at(at: Millis, run: () => void): Timer {
    const entry: Entry = { at: Math.max(at, this.now), order: this.#order++, run, cancelled: false }
    this.#push(entry)
    return { cancel: () => (entry.cancelled = true) }
  }

  after(delay: Millis, run: () => void): Timer {
    return this.at(this.now + delay, run)
  }

  /** Plays every event up to `until`, then stands at `until`. */
  run(until: Millis): void {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.at > until) break
      this.#pop()
      this.now = next.at
      if (!next.cancelled) next.run()
    }
    this.now = until
  }

  #before(a: Entry, b: Entry): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order)
  }

  #push(entry: Entry): void {
    const heap = this.#heap
    let index = heap.push(entry) - 1
    while (index > 0) {
      const parent = (index - 1) >> 1
      const above = heap[parent]!
      if (!this.#before(entry, above)) break
      heap[index] = above
      index = parent
    }
    heap[index] = entry
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child += 1
      if (!this.#before(heap[child]!, last)) break
      heap[index] = heap[child]!
      index = child
    }
    heap[index] = last
  }
}
