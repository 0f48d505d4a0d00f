/**
 * The one timer of the core. After every call into it the driver looks at `wakeAt()`: what is due runs as soon as
 * the current callback is through (the core is not re-entrant, and neither is whoever called it), the rest arms
 * one timer. A timer is only ever moved earlier; one that fires early finds nothing due and is armed again.
 */
import type { Coordinator } from '../core/coordinator.ts'
import type { Directive, Millis } from '../core/model.ts'

/** setTimeout takes no more. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

export interface DrivenCore extends Coordinator {
  /** Looks whether something is due; for events that reach the core by another way. */
  look(): void
  stop(): void
}

export function driveCore(
  core: Coordinator,
  clock: () => Millis,
  onDirective: (directive: Directive) => void,
): DrivenCore {
  let timer: NodeJS.Timeout | undefined
  let armedFor = Infinity
  let isQueued = false
  let isStopped = false

  function look(): void {
    if (isQueued || isStopped) return
    const wakeAt = core.wakeAt()
    if (wakeAt >= armedFor) return
    const waitMs = wakeAt - clock()
    if (waitMs <= 0) {
      isQueued = true
      queueMicrotask(run)
    } else {
      arm(wakeAt, waitMs)
    }
  }

  function arm(wakeAt: Millis, waitMs: Millis): void {
    clearTimeout(timer)
    armedFor = wakeAt
    timer = setTimeout(fire, Math.min(Math.ceil(waitMs), LONGEST_TIMER_MS))
    timer.unref()
  }

  function fire(): void {
    armedFor = Infinity
    run()
  }

  function run(): void {
    isQueued = false
    if (isStopped) return
    const now = clock()
    if (core.wakeAt() <= now) {
      // What a directive starts may call the core again, which reuses the array.
      for (const directive of core.tick(now).slice()) onDirective(directive)
    }
    // Due again at once means at the next turn of the loop: sockets come in between.
    const wakeAt = core.wakeAt()
    if (wakeAt < armedFor) arm(wakeAt, Math.max(1, wakeAt - now))
  }

  return {
    arrive(arrival) {
      const verdict = core.arrive(arrival)
      look()
      return verdict
    },
    progress: (mark) => core.progress(mark),
    settle(settlement) {
      core.settle(settlement)
      look()
    },
    notDeferred: (upstream, happened) => core.notDeferred(upstream, happened),
    tick: (now) => core.tick(now),
    wakeAt: () => core.wakeAt(),
    adopt(policy, at) {
      core.adopt(policy, at)
      look()
    },
    drain(at, until) {
      core.drain(at, until)
      look()
    },
    pressure(level) {
      core.pressure(level)
      look()
    },
    read: (now) => core.read(now),
    agents: (now, most) => core.agents(now, most),
    workflows: (now, most) => core.workflows(now, most),
    look,
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
