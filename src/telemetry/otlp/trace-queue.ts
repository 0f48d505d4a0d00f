/**
 * Traced calls on their way to the collector: a bounded queue, emptied in small batches between other work.
 *
 * Why not the SDK's BatchSpanProcessor: it drops without a number that could be read, and its end waits for every batch
 * at once with a timeout of its own. Sizes follow its defaults (OpenTelemetry specification, "Batching processor"),
 * but for the batch: the exporter turns one into JSON in a single turn of the event loop, 6.5 us a span, and other
 * calls wait meanwhile.
 */
import type { Millis } from '../../core/model.ts'
import { spansOf } from './call-trace.ts'
import type { CallTrace } from './call-trace.ts'
import type { DropReason } from './export-health.ts'

export interface TraceQueueDeps {
  /** @throws when the batch was not taken; never later than its own timeout */
  readonly send: (batch: readonly CallTrace[]) => Promise<void>
  readonly lost: (spans: number, reason: DropReason) => void
}

export interface TraceQueueOptions {
  /** Calls that wait. */
  readonly capacity: number
  /** Calls in one export; two spans each, at most. */
  readonly batch: number
  /** Until a batch that is not full goes too. */
  readonly everyMs: Millis
  /** Exports at once: a distant collector answers late, and the queue must drain meanwhile. */
  readonly exports: number
}

export const TRACE_QUEUE: TraceQueueOptions = { capacity: 2048, batch: 64, everyMs: 1000, exports: 4 }

export class TraceQueue {
  readonly #deps: TraceQueueDeps
  readonly #options: TraceQueueOptions
  #waiting: CallTrace[] = []
  readonly #sending = new Set<readonly CallTrace[]>()
  #timer: NodeJS.Timeout | undefined
  #immediate: NodeJS.Immediate | undefined
  #isStopped = false
  #isOver = false
  #emptied: (() => void) | undefined

  constructor(deps: TraceQueueDeps, options: TraceQueueOptions = TRACE_QUEUE) {
    this.#deps = deps
    this.#options = options
  }

  get #isIdle(): boolean {
    return this.#waiting.length === 0 && this.#sending.size === 0
  }

  /** Takes a call that has ended. Never waits, never throws. */
  add(trace: CallTrace): void {
    if (this.#isStopped || this.#waiting.length >= this.#options.capacity) {
      this.#deps.lost(spansOf(trace), this.#isStopped ? 'shutdown' : 'queue-full')
      return
    }
    this.#waiting.push(trace)
    if (this.#waiting.length >= this.#options.batch) this.#soon()
    else this.#later()
  }

  /** Sends what waits; what the collector has not taken by then is lost, and counted. Resolves within `withinMs`. */
  async stop(withinMs: Millis): Promise<void> {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#soon()
    if (!this.#isIdle) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, withinMs)
        this.#emptied = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    clearTimeout(this.#timer)
    clearImmediate(this.#immediate)
    this.#isOver = true
    // What is on its way may still arrive; nobody will know.
    this.#deps.lost(count([...this.#sending, this.#waiting].flat()), 'shutdown')
    this.#waiting = []
  }

  /** Not now: a call is just ending. */
  #soon(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined
      this.#pump()
    })
  }

  /** A batch that does not fill up goes too. */
  #later(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#sendOne()
      this.#pump()
    }, this.#options.everyMs).unref()
  }

  /** One batch each turn. */
  #pump(): void {
    const isDue = this.#isStopped ? this.#waiting.length > 0 : this.#waiting.length >= this.#options.batch
    if (!isDue || this.#sending.size >= this.#options.exports) return
    this.#sendOne()
    this.#soon()
  }

  #sendOne(): void {
    if (this.#waiting.length === 0 || this.#sending.size >= this.#options.exports) return
    const batch = this.#waiting.splice(0, this.#options.batch)
    this.#sending.add(batch)
    void this.#send(batch)
  }

  async #send(batch: readonly CallTrace[]): Promise<void> {
    try {
      await this.#deps.send(batch)
    } catch {
      if (!this.#isOver) this.#deps.lost(count(batch), 'export-failed')
    }
    this.#sending.delete(batch)
    if (this.#isOver) return
    if (this.#isIdle) {
      this.#emptied?.()
      return
    }
    if (!this.#isStopped) this.#later()
    this.#soon()
  }
}

function count(traces: readonly CallTrace[]): number {
  return traces.reduce((sum, trace) => sum + spansOf(trace), 0)
}
