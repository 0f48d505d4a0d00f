/** Clients that wait for the end of a deferred call: woken when it ends, or when their time is over. */
import type { Millis } from '../core/model.ts'

/** Waits at once; who comes then is answered at once instead. */
const MOST = 4096

export class Waiters {
  readonly #waiting = new Map<string, Set<() => void>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get ids(): readonly string[] {
    return [...this.#waiting.keys()]
  }

  /** Resolves when `id` may have ended, or after `ms`, or when `gone` resolves it. */
  async wait(id: string, ms: Millis, gone: (leave: () => void) => void = ignore): Promise<void> {
    if (this.#size >= MOST || ms <= 0) return
    this.#size += 1
    let wake: () => void = ignore
    const woken = new Promise<void>((resolve) => {
      wake = resolve
    })
    const timer = setTimeout(wake, ms)
    timer.unref()
    gone(wake)
    const others = this.#waiting.get(id) ?? new Set()
    this.#waiting.set(id, others.add(wake))
    await woken
    clearTimeout(timer)
    others.delete(wake)
    if (others.size === 0) this.#waiting.delete(id)
    this.#size -= 1
  }

  wake(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake()
  }

  wakeAll(): void {
    for (const id of this.ids) this.wake(id)
  }
}

function ignore(): void {}
