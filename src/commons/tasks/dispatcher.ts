/**
 * Brings tasks and those who wait for them together. Within one process whoever waits stands in the lines of its
 * capabilities, so that many agents do not fight over the head of one list; between processes the commit decides.
 */
import type { Millis } from '../../core/model.ts'
import { demand, type Caller, type May } from '../caller.ts'
import type { Store } from '../store.ts'
import type { Task } from './task.ts'
import type { TaskAt, Tasks } from './tasks.ts'
import type { UpstreamGate } from './upstream-gate.ts'

interface Claimer {
  readonly agent: string
  readonly capabilities: readonly string[]
  /** Once; undefined = nothing came. */
  readonly end: (task: Task | undefined) => void
  /** A task is being given to it: it stays until that is decided. */
  isPicked: boolean
  /** It wants to go, or is gone. */
  isLeaving: boolean
}

/** One capability being looked at. */
interface Look {
  /** Somebody asked since the round began. */
  isAsked: boolean
  /** Those who wait for the end of a round that begins after they asked. */
  waiting: (() => void)[]
}

/** Tasks looked at per round of one capability. */
const LOOKED_AT = 64

export class Dispatcher {
  readonly #store: Store
  readonly #may: May
  readonly #tasks: Tasks
  readonly #gate: UpstreamGate
  /** By capability, who has waited longest first. */
  readonly #lines = new Map<string, Set<Claimer>>()
  readonly #looks = new Map<string, Look>()
  readonly #onTrouble: (error: unknown) => void

  constructor(store: Store, may: May, tasks: Tasks, gate: UpstreamGate, onTrouble: (error: unknown) => void) {
    this.#store = store
    this.#may = may
    this.#tasks = tasks
    this.#gate = gate
    this.#onTrouble = onTrouble
    tasks.onReady((capability) => this.look(capability))
  }

  /** Agents that wait, counted once per capability. */
  get waiting(): number {
    let sum = 0
    for (const line of this.#lines.values()) sum += line.size
    return sum
  }

  /** The next task that this caller can do and every upstream of which can bear it; waits up to `waitMs` for one. */
  async claim(
    caller: Caller,
    capabilities: readonly string[],
    waitMs: Millis,
    signal: AbortSignal,
  ): Promise<Task | undefined> {
    for (const capability of capabilities) demand(this.#may, caller, { do: 'task.claim', on: capability })
    if (signal.aborted) return undefined
    const task = await this.#wait(caller.agent, [...new Set(capabilities)], waitMs, signal)
    // Given to somebody who left in that moment: it was no attempt.
    if (task === undefined || !signal.aborted) return task
    await this.#tasks.takeBack(task, 'undelivered', 'its owner was gone before it was told')
    return undefined
  }

  /** Somebody may be waiting for a task of this capability. */
  look(capability: string): void {
    if (this.#lines.has(capability)) void this.#look(capability)
  }

  /** For what became due by time, or in another process. */
  lookAll(): void {
    for (const capability of this.#lines.keys()) this.look(capability)
  }

  #wait(
    agent: string,
    capabilities: readonly string[],
    waitMs: Millis,
    signal: AbortSignal,
  ): Promise<Task | undefined> {
    return new Promise((resolve) => {
      const leave = (): void => {
        claimer.isLeaving = true
        if (!claimer.isPicked) claimer.end(undefined)
      }
      const timer = waitMs > 0 ? setTimeout(leave, waitMs) : undefined
      const claimer: Claimer = {
        agent,
        capabilities,
        isPicked: false,
        isLeaving: false,
        end: (found) => {
          clearTimeout(timer)
          signal.removeEventListener('abort', leave)
          this.#remove(claimer)
          resolve(found)
        },
      }
      signal.addEventListener('abort', leave)
      this.#add(claimer)
      // Without a wait the answer is what a first look at each finds.
      const looks = Promise.all(capabilities.map((capability) => this.#look(capability)))
      if (waitMs <= 0) void looks.then(leave)
    })
  }

  /** Resolves after a round that began after this call; never rejects. */
  async #look(capability: string): Promise<void> {
    const running = this.#looks.get(capability)
    if (running !== undefined) {
      running.isAsked = true
      await new Promise<void>((resolve) => running.waiting.push(resolve))
      return
    }
    const look: Look = { isAsked: true, waiting: [] }
    this.#looks.set(capability, look)
    let goesOn = true
    while (goesOn) {
      look.isAsked = false
      const waiting = look.waiting.splice(0)
      goesOn = await this.#round(capability)
      for (const resolve of waiting) resolve()
      goesOn ||= look.isAsked
    }
    this.#looks.delete(capability)
    if (this.#lines.get(capability)?.size === 0) this.#lines.delete(capability)
  }

  /** True = something moved, and somebody is still waiting. */
  async #round(capability: string): Promise<boolean> {
    const line = this.#lines.get(capability)
    if (line === undefined || line.size === 0) return false
    try {
      const rows = await this.#tasks.ready(capability, LOOKED_AT)
      const now = this.#store.now()
      const work: Promise<void>[] = []
      for (const row of rows) {
        const [claimer] = line
        if (claimer === undefined) break
        const refusing = this.#gate.admit(row.task.upstreams, now)
        work.push(refusing === undefined ? this.#give(row, claimer) : this.#tasks.park(row, refusing))
      }
      await Promise.all(work)
      return work.length > 0 && line.size > 0
    } catch (error) {
      this.#onTrouble(error)
      return false
    }
  }

  async #give(row: TaskAt, claimer: Claimer): Promise<void> {
    claimer.isPicked = true
    this.#remove(claimer)
    let task: Task | undefined
    try {
      task = await this.#tasks.assign(row, claimer.agent)
    } catch (error) {
      claimer.end(undefined)
      throw error
    }
    claimer.isPicked = false
    if (task !== undefined || claimer.isLeaving) claimer.end(task)
    else this.#add(claimer)
  }

  #add(claimer: Claimer): void {
    for (const capability of claimer.capabilities) {
      const line = this.#lines.get(capability)
      if (line === undefined) this.#lines.set(capability, new Set([claimer]))
      else line.add(claimer)
    }
  }

  /** A line that is being looked at stays the same object; its end takes it away. */
  #remove(claimer: Claimer): void {
    for (const capability of claimer.capabilities) {
      const line = this.#lines.get(capability)
      line?.delete(claimer)
      if (line?.size === 0 && !this.#looks.has(capability)) this.#lines.delete(capability)
    }
  }
}
