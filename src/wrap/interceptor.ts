/**
 * An interceptor for undici: `new Agent().compose(coordinate({ ... }))`. The handler of whoever asked is told what it
 * would be told by a connection; while a call is held it can already be aborted.
 */
import type { Dispatcher } from 'undici'
import type { Turn } from '../admit/turn.ts'
import { rawHeadersOf } from '../proxy/answer.ts'
import { readHints } from '../proxy/quota-headers.ts'
import { kindOfAnswer } from '../proxy/settle.ts'
import { carry, type Carried } from './carried.ts'
import { Coordination, type CoordinationOptions } from './coordination.ts'
import { isFailure } from './fetch-input.ts'

type Options = Dispatcher.DispatchOptions
type Handler = Dispatcher.DispatchHandler
type Dispatch = Dispatcher.Dispatch

/** `onRefusal: 'throw'` fails the request with `CallRefused`. @throws TypeError when the options are not in order */
export function coordinate(
  options: CoordinationOptions | Coordination,
): Dispatcher.DispatcherComposeInterceptor {
  const coordination = options instanceof Coordination ? options : new Coordination(options)
  return (dispatch) => (given, handler) => {
    const url = `${String(given.origin ?? '')}${given.path}`
    const isUpgrade = given.upgrade !== undefined && given.upgrade !== null && given.upgrade !== false
    if (isUpgrade || given.method === 'CONNECT' || !coordination.covers(url)) return dispatch(given, handler)
    new Passing(coordination, dispatch, given, handler).start(url)
    // Whether the pool has room is not known before the core has spoken.
    return true
  }
}

/** One request between its caller and the dispatcher below. */
class Passing implements Handler {
  readonly #coordination: Coordination
  readonly #dispatch: Dispatch
  readonly #given: Options
  readonly #handler: Handler
  readonly #stop = new AbortController()
  readonly #shown: ShownController
  #carried: Carried | undefined
  #turn: Turn | undefined
  #status = 0
  #streaming = false
  #bytesOut = 0

  constructor(coordination: Coordination, dispatch: Dispatch, given: Options, handler: Handler) {
    this.#coordination = coordination
    this.#dispatch = dispatch
    this.#given = given
    this.#handler = handler
    this.#shown = new ShownController(this.#stop)
  }

  start(url: string): void {
    this.#handler.onRequestStart?.(this.#shown, {})
    this.#ask(url).catch((error: unknown) => {
      this.#handler.onResponseError?.(this.#shown, error instanceof Error ? error : new Error(String(error)))
    })
  }

  async #ask(url: string): Promise<void> {
    const coordination = this.#coordination
    const { method, body } = this.#given
    const headers = flatHeaders(this.#given.headers)
    const names = new Set(headers.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()))
    const carried = (this.#carried = carry(names, method, url.split('?', 1)[0]!, coordination.caller))
    const rawHeaders = [...headers, ...carried.trace.flat(), ...carried.own.flat()]
    const bytes = bytesOf(body)
    const passage = await coordination.admit({ method, url, rawHeaders, bytes }, this.#stop.signal)
    const sent = headers.concat(carried.trace.flat())
    const given = { ...this.#given, headers: withoutOwn(sent) }
    if (passage === undefined) {
      this.#dispatch(given, this)
      return
    }
    if (passage.is === 'refused') {
      carried.ended(true)
      if (coordination.onRefusal === 'throw') throw passage.error
      this.#refuse(passage.text)
      return
    }
    this.#turn = passage.turn
    passage.turn.sent()
    const place = new URL(passage.url)
    const target =
      passage.url === url ? {} : { origin: place.origin, path: `${place.pathname}${place.search}` }
    this.#dispatch({ ...given, ...target }, this)
  }

  #refuse({
    status,
    headers,
    body,
  }: {
    status: number
    headers: Readonly<Record<string, string>>
    body: string
  }): void {
    const bytes = Buffer.from(body)
    const said = { ...headers, 'content-length': String(bytes.length) }
    this.#shown.rawHeaders = Object.entries(said).flatMap(([name, value]) => [
      Buffer.from(name),
      Buffer.from(value),
    ])
    this.#handler.onResponseStart?.(this.#shown, status, said, '')
    if (this.#given.method !== 'HEAD') this.#handler.onResponseData?.(this.#shown, bytes)
    this.#handler.onResponseEnd?.(this.#shown, {})
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#shown.follow(controller)
    // Aborted after the core let it go and before there was a connection.
    if (this.#stop.signal.aborted) controller.abort(this.#shown.reason ?? new Error('aborted'))
  }

  onRequestUpgrade(...given: Parameters<NonNullable<Handler['onRequestUpgrade']>>): void {
    this.#handler.onRequestUpgrade?.(...given)
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    headers: Parameters<NonNullable<Handler['onResponseStart']>>[2],
    statusText?: string,
  ): void {
    this.#shown.follow(controller)
    if (status >= 200) this.#head(controller, status)
    this.#handler.onResponseStart?.(this.#shown, status, headers, statusText)
  }

  #head(controller: Dispatcher.DispatchController, status: number): void {
    const flat = rawHeadersOf(controller).map((part) => part.toString('latin1'))
    const type =
      flat[flat.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === 'content-type') + 1]
    this.#status = status
    this.#streaming = type?.startsWith('text/event-stream') === true
    const { retryAfterMs, quota } = readHints(flat, Date.now())
    this.#turn?.head({ status, streaming: this.#streaming, retryAfterMs, quota })
    this.#carried?.ended(isFailure(status))
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytesOut += chunk.length
    this.#turn?.chunk()
    this.#handler.onResponseData?.(this.#shown, chunk)
  }

  onResponseEnd(
    _controller: Dispatcher.DispatchController,
    trailers: Parameters<NonNullable<Handler['onResponseEnd']>>[1],
  ): void {
    const kind = kindOfAnswer(this.#status, this.#streaming && this.#given.method === 'GET')
    this.#turn?.settle({ kind, status: this.#status, answered: true, bytesOut: this.#bytesOut })
    this.#handler.onResponseEnd?.(this.#shown, trailers)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const kind = this.#stop.signal.aborted ? 'cancelled' : 'failure'
    if (this.#status === 0) this.#carried?.ended(true)
    this.#turn?.settle({ kind, status: this.#status, answered: false, bytesOut: this.#bytesOut })
    this.#handler.onResponseError?.(this.#shown, error)
  }
}

/** What the caller holds from the first moment on: its own, until there is a connection, and that one's afterwards. */
class ShownController implements Dispatcher.DispatchController {
  readonly #stop: AbortController
  #real: Dispatcher.DispatchController | undefined
  #isPaused = false
  reason: Error | null = null
  rawHeaders: NonNullable<Dispatcher.DispatchController['rawHeaders']> | null = null

  constructor(stop: AbortController) {
    this.#stop = stop
  }

  follow(real: Dispatcher.DispatchController): void {
    this.#real = real
    this.rawHeaders = real.rawHeaders ?? null
    if (this.#isPaused) real.pause()
  }

  get aborted(): boolean {
    return this.#stop.signal.aborted
  }

  get paused(): boolean {
    return this.#real?.paused ?? this.#isPaused
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.reason = reason
    this.#stop.abort(reason)
    this.#real?.abort(reason)
  }

  pause(): void {
    this.#isPaused = true
    this.#real?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#real?.resume()
  }
}

/** undici takes a flat list, an object, or pairs. */
function flatHeaders(headers: Options['headers']): string[] {
  if (headers === undefined || headers === null) return []
  const list = Array.isArray(headers) && !Array.isArray(headers[0]) ? headers : undefined
  if (list !== undefined) return list.map(String)
  const pairs: Iterable<[string, unknown]> = isPairs(headers) ? headers : Object.entries(headers)
  const flat: string[] = []
  for (const [name, value] of pairs) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null) flat.push(name, String(one))
    }
  }
  return flat
}

function isPairs(headers: object): headers is Iterable<[string, unknown]> {
  return Symbol.iterator in headers
}

function withoutOwn(headers: readonly string[]): string[] {
  return headers.filter((_, index) => !headers[index - (index % 2)]!.toLowerCase().startsWith('weir-'))
}

/** -1 = unknown. */
function bytesOf(body: Options['body']): number {
  if (body === undefined || body === null) return 0
  if (typeof body === 'string') return Buffer.byteLength(body)
  return body instanceof Uint8Array ? body.byteLength : -1
}
