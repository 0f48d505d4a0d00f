/** Work on one thing, one after the other within this process: those who would only lose to each other wait instead. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** As many things as have work now. */
  get size(): number {
    return this.#last.size
  }

  async take<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve()
    const mine = before.then(work, work)
    this.#last.set(name, mine)
    try {
      return await mine
    } finally {
      if (this.#last.get(name) === mine) this.#last.delete(name)
    }
  }
}
