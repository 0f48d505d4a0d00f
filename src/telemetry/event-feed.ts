/** The last events of coordination, and those who want the next: the operator's stream reads from here. */

export interface FeedEntry<E> {
  /** Grows by one; a reader that comes back says the last one it saw. */
  readonly id: number
  readonly event: E
}

/** Remembered events. */
const capacity = 256

export class EventFeed<E> {
  readonly #ring: FeedEntry<E>[] = []
  readonly #listeners = new Set<(entry: FeedEntry<E>) => void>()
  #next = 1

  publish(event: E): void {
    const entry = { id: this.#next, event }
    this.#next += 1
    this.#ring.push(entry)
    if (this.#ring.length > capacity) this.#ring.shift()
    for (const listener of this.#listeners) listener(entry)
  }

  /** Remembered events after `id`; 0 = all. */
  since(id: number): readonly FeedEntry<E>[] {
    return this.#ring.filter((entry) => entry.id > id)
  }

  /** Answers how to stop. */
  subscribe(listener: (entry: FeedEntry<E>) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  get listeners(): number {
    return this.#listeners.size
  }
}
