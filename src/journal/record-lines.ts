/** All kinds of lines of a run but the header, made one at a time in one buffer. */
import type { CoreEvent, Millis } from '../core/model.ts'
import { CallLines, type CallLineOptions } from './call-line.ts'
import type { CallRecord } from './call-record.ts'
import { microsOf, toMicrosecond } from './instant.ts'
import type { EventLine, GapLine, InputLine } from './line.ts'
import { LineBytes } from './line-bytes.ts'

/** Ticks come some times a second for every upstream: they are written by the batch. */
const TICKS_PER_LINE = 512
const TICKS_EVERY_MS: Millis = 1000

export interface RecordLinesOptions extends CallLineOptions {
  /** Takes one line, without its end: the first `length` bytes, which are used again afterwards. Must not throw. */
  readonly sink: (bytes: Buffer, length: number) => void
}

export class RecordLines {
  readonly #options: RecordLinesOptions
  readonly #out = new LineBytes()
  readonly #calls: CallLines
  readonly #ticks: number[] = []
  #ticksSince: Millis = 0

  constructor(options: RecordLinesOptions) {
    this.#options = options
    this.#calls = new CallLines(options)
  }

  call(call: CallRecord): void {
    this.#calls.write(this.#out.begin(), call)
    this.#end()
  }

  /** Noted; a line follows when there are enough of them. */
  tick(order: number, at: Millis): void {
    if (this.#ticks.length === 0) this.#ticksSince = at
    this.#ticks.push(order, microsOf(at))
    if (this.#ticks.length >= 2 * TICKS_PER_LINE || at - this.#ticksSince >= TICKS_EVERY_MS) this.flush()
  }

  /** The ticks that wait for their line. */
  flush(): void {
    if (this.#ticks.length === 0) return
    this.#out.begin().raw('{"kind":"ticks","ticks":').pairs(this.#ticks).raw('}')
    this.#ticks.length = 0
    this.#end()
  }

  /** The marks of chunks so far, which the record then forgets. */
  marks(call: CallRecord): void {
    this.#out.begin().raw('{"kind":"marks","slot":').whole(call.slot)
    this.#out.raw(',"marks":').pairs(call.chunks, call.atMicros).raw('}')
    call.chunks.length = 0
    this.#end()
  }

  input(order: number, at: Millis, input: InputLine['input'], value: number | string): void {
    const line: InputLine = { kind: 'input', order, at, input, value }
    this.#out.begin().json(line)
    this.#end()
  }

  event(event: CoreEvent): void {
    const { name, agent = '', workflow = '', from, to, readings } = event
    const { shown, upstreams } = this.#options
    const line: EventLine = {
      kind: 'event',
      at: toMicrosecond(event.at),
      name,
      upstream: upstreams[event.upstream] ?? '',
      ...(agent === '' ? {} : { agent: shown.name(agent) }),
      ...(workflow === '' ? {} : { workflow: shown.name(workflow) }),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      // What is not finite becomes null.
      readings,
    }
    this.#out.begin().json(line)
    this.#end()
  }

  gap(at: Millis, dropped: number): void {
    const line: GapLine = { kind: 'gap', at, dropped }
    this.#out.begin().json(line)
    this.#end()
  }

  #end(): void {
    this.#options.sink(this.#out.bytes, this.#out.length)
  }
}
