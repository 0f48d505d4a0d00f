/** The clock of the simulator's agents, in real time from its making on. */
import type { Millis } from '../../src/core/model.ts'
import type { Clock } from '../../test/kit/sim/agent-model.ts'

export class RealClock implements Clock {
  readonly #origin = performance.now()

  get now(): Millis {
    return performance.now() - this.#origin
  }

  at(at: Millis, run: () => void): { cancel(): void } {
    return this.after(at - this.now, run)
  }

  after(delay: Millis, run: () => void): { cancel(): void } {
    const timer = setTimeout(run, Math.max(0, delay))
    return { cancel: () => clearTimeout(timer) }
  }
}
