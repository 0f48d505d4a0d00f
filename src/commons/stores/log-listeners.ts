/** Those who want to know when a log has grown. They are told in a later turn, once for all growth of this one. */
import type { LogName } from '../store.ts'

export class LogListeners {
  readonly #listeners = new Set<(log: LogName) => void>()
  readonly #grown = new Set<LogName>()

  add(listener: (log: LogName) => void): () => void {
    this.#listeners.add(listener)
    return () => {
      this.#listeners.delete(listener)
    }
  }

  tell(logs: Iterable<LogName>): void {
    if (this.#listeners.size === 0) return
    const isDue = this.#grown.size > 0
    for (const log of logs) this.#grown.add(log)
    if (isDue || this.#grown.size === 0) return
    queueMicrotask(() => {
      const grown = [...this.#grown]
      this.#grown.clear()
      for (const log of grown) for (const listener of this.#listeners) listener(log)
    })
  }

  clear(): void {
    this.#listeners.clear()
  }
}
