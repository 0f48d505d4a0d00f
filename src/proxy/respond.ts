/**
 * The only file that authors a response. Everything that Weir says by itself, whatever the stage, becomes one
 * `Answer` here, with the same marks on it (`weir-source: proxy`), so that a user can tell Weir's 429 from the
 * upstream's. Causes and sentences are rows of `refusals.ts`, body shapes are in `dialect.ts`.
 *
 * A wait that expired with a slot answers 429 or 503 and not 504: LangChain reads `Retry-After` on 429 alone,
 * and a monitor reads 504 as a slow upstream (wire.md 10 a). 504 stays for "waited in vain, do not come back".
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { familyOf } from '../core/families.ts'
import type { Directive, Millis, Reason, Verdict, VerdictKind } from '../core/model.ts'
import type { Accepted } from '../defer/deferral.ts'
import type { Refusal } from '../identity/refusal.ts'
import { waitFor } from './advice.ts'
import type { Call } from './call.ts'
import { errorBody } from './dialect.ts'
import { linger } from './linger.ts'
import type { Dialect } from './options.ts'
import { EARLY_CODES, HOLD_EXPIRED, type Problem, PROBLEMS, REFUSALS } from './refusals.ts'

export type { Problem } from './refusals.ts'

export interface Responder {
  /** Weir's own failure towards the upstream. Once a head has gone out, the connection is cut instead: never a clean end. */
  refuse(call: Call, problem: Problem): void
  /** A shed, a deferral that nobody can keep, or a hold that ended. A slot in the past is answered as "now". */
  verdict(call: Call, verdict: Verdict | Extract<Directive, { do: 'expire' }>): void
  /** 202: the call is kept and will be answered at the given place. `unclear`: 503, and the place tells. */
  accepted(call: Call, accepted: Extract<Accepted, { id: string }>): void
  /**
   * Before a call exists. `reason` is a sentence of ours for the body, never a client's text. A raw socket gets
   * a whole HTTP/1.1 answer and is closed.
   */
  early(target: ServerResponse | Duplex, status: number, reason: string): void
  /** Before a call exists: whoever calls is not known, or may not. In the tongue of the upstream's clients. */
  denied(target: ServerResponse | Duplex, refusal: Refusal, dialect: Dialect): void
  /** `OPTIONS *`, which asks whether anybody is there (RFC 9110 9.3.7). */
  present(target: ServerResponse): void
  /** 307 to `location`: one hop of the hold chain. */
  hop(call: Call, location: string): void
  /** 100 Continue or 102 Processing; without effect on HTTP/1.0, an upgrade, or once a head has gone out. */
  interim(call: Call, status: 100 | 102): void
}

export interface ResponderOptions {
  readonly clock: () => Millis
  /** Wall clock in ms, for `Date` on raw sockets. */
  readonly wall: () => number
  readonly log: { debug(fields: object, message: string): void }
  /** 0 <= x < 1; spreads the answers that have no slot of the core's. */
  readonly random?: () => number
}

interface Answer {
  readonly status: number
  /** Flat names and values. */
  readonly headers: string[]
  readonly contentType: string
  readonly text: string
  /** The connection is not used again. */
  readonly close: boolean
}

/** LangChain honours Retry-After on 429 and ignores it on 503 (wire.md 3): its slots are always 429. */
const ADVICE_ON_429_ONLY = /^langchain/
/** AWS clients read their own header, and back off as throttled only by this error type (wire.md 10 a). */
const AWS_CLIENT = /^(aws|boto)/
/** Where agents fetch what was deferred: `defer/face.ts`. */
const DEFERRED_PATH = '/weir/v1/deferred/'
const UNCLEAR = {
  status: 503,
  code: 'acceptance_unclear',
  message:
    'The store did not say whether it has the call. Ask at the location: 404 there means that it has not.',
} as const
/** Early answers after which the framing of the connection cannot be trusted, or that end it by nature. */
const CLOSING: ReadonlySet<number> = new Set([400, 408, 413, 414, 417, 431, 503, 505])
/** Without a core there is no slot: a window of their own spreads those who meet Weir full. */
const EARLY_SPREAD_MS = { from: 1000, to: 5000 } as const

export function createResponder(options: ResponderOptions): Responder {
  const { clock, wall, log } = options
  const random = options.random ?? Math.random
  /** In their final form: a flood of wrong keys costs no text. */
  const deniedAnswers = new WeakMap<Refusal, Map<Dialect, Answer>>()

  function marks(call: Call, kind: VerdictKind, reason: Reason): string[] {
    const insideMs = Math.max(0, clock() - call.arrivedAt - call.heldMs)
    const heldMs = Math.max(0, call.heldMs)
    return Object.entries({
      'weir-verdict': kind,
      'weir-reason': reason,
      'weir-call-id': call.id,
      'weir-source': 'proxy',
      'server-timing': `weir;dur=${insideMs.toFixed(1)}, hold;dur=${heldMs.toFixed(1)}`,
      'cache-control': 'no-store',
    }).flat()
  }

  function refuse(call: Call, problem: Problem): void {
    const { status, message } = PROBLEMS[problem]
    const kind = call.verdict?.do ?? 'pass'
    const reason = call.verdict?.reason ?? 'healthy'
    const error = { status, code: problem, message, callId: call.id, retryAfterMs: 0 }
    const { contentType, text } = errorBody(dialectOf(call), error)
    const headers = [...marks(call, kind, reason), 'weir-problem', problem]
    send(call, { status, headers, contentType, text, close: status === 400 || status === 408 })
  }

  function verdict(call: Call, decided: Verdict | Extract<Directive, { do: 'expire' }>): void {
    const row = REFUSALS[decided.reason]
    const kind = decided.do === 'expire' ? 'hold' : decided.do
    const headers = marks(call, kind, decided.reason)
    let status: number = row.finalStatus
    let { code, message } = row
    let retryAfterMs = 0
    if (decided.slotAt > 0) {
      const family = familyOf(call.arrival.family)
      const wait = waitFor(family, decided.slotAt - clock())
      status = ADVICE_ON_429_ONLY.test(family.name) ? 429 : row.status
      retryAfterMs = wait.ms
      headers.push(
        'retry-after',
        String(wait.seconds),
        'retry-after-ms',
        String(wait.ms),
        'x-should-retry',
        'true',
      )
      if (AWS_CLIENT.test(family.name)) {
        headers.push('x-amz-retry-after', String(wait.ms), 'x-amzn-errortype', 'ThrottlingException')
      }
    } else {
      if (decided.do === 'expire') ({ status, code, message } = HOLD_EXPIRED)
      headers.push('x-should-retry', 'false')
    }
    const body = errorBody(dialectOf(call), { status, code, message, callId: call.id, retryAfterMs })
    send(call, { status, headers, ...body, close: decided.reason === 'draining' })
  }

  function accepted(call: Call, { is, id, retryAfterMs }: Extract<Accepted, { id: string }>): void {
    const location = `${DEFERRED_PATH}${id}`
    const seconds = Math.ceil(retryAfterMs / 1000)
    const reason = call.verdict?.reason ?? 'policy'
    const headers = [...marks(call, 'defer', reason), 'location', location, 'retry-after', String(seconds)]
    if (is === 'accepted') {
      headers.push('weir-deferred', 'waiting')
      if (call.verdict === undefined) headers.push('preference-applied', 'respond-async')
      const text = `${JSON.stringify({ id, state: 'waiting', location })}\n`
      send(call, { status: 202, headers, contentType: 'application/json', text, close: false })
      return
    }
    // Whether it was accepted is known to the store alone, which does not answer: sending it again could be twice.
    const { status, message } = UNCLEAR
    const error = { status, code: UNCLEAR.code, message, callId: call.id, retryAfterMs }
    headers.push('x-should-retry', 'false')
    send(call, { status, headers, ...errorBody(dialectOf(call), error), close: false })
  }

  function early(target: ServerResponse | Duplex, status: number, reason: string): void {
    const headers = ['weir-source', 'proxy', 'cache-control', 'no-store']
    let retryAfterMs = 0
    if (status === 503) {
      retryAfterMs = Math.ceil(EARLY_SPREAD_MS.from + random() * (EARLY_SPREAD_MS.to - EARLY_SPREAD_MS.from))
      headers.push(
        'retry-after',
        String(Math.ceil(retryAfterMs / 1000)),
        'retry-after-ms',
        String(retryAfterMs),
      )
      headers.push('x-should-retry', 'true')
    } else if (status !== 408) {
      headers.push('x-should-retry', 'false')
    }
    const code = EARLY_CODES[status] ?? 'error'
    const body = errorBody('problem', { status, code, message: reason, callId: '', retryAfterMs })
    write(target, undefined, { status, headers, ...body, close: CLOSING.has(status) })
  }

  function denied(target: ServerResponse | Duplex, refusal: Refusal, dialect: Dialect): void {
    const kept = refusal.isConstant ? deniedAnswers.get(refusal) : undefined
    const known = kept?.get(dialect)
    if (known !== undefined) {
      write(target, undefined, known)
      return
    }
    const { status, code, message, challenge, retryAfterMs } = refusal
    const headers = ['weir-source', 'proxy', 'cache-control', 'no-store', 'weir-problem', code]
    if (challenge !== '') headers.push('www-authenticate', challenge)
    headers.push('x-should-retry', String(retryAfterMs > 0))
    if (retryAfterMs > 0) {
      headers.push(
        'retry-after',
        String(Math.ceil(retryAfterMs / 1000)),
        'retry-after-ms',
        String(retryAfterMs),
      )
    }
    const body = errorBody(dialect, { status, code, message, callId: '', retryAfterMs })
    const answer: Answer = { status, headers, ...body, close: false }
    if (kept !== undefined) kept.set(dialect, answer)
    else if (refusal.isConstant) deniedAnswers.set(refusal, new Map([[dialect, answer]]))
    write(target, undefined, answer)
  }

  function present(target: ServerResponse): void {
    const headers = ['weir-source', 'proxy', 'cache-control', 'no-store']
    write(target, undefined, { status: 200, headers, contentType: '', text: '', close: false })
  }

  function hop(call: Call, location: string): void {
    const reason = call.verdict?.reason ?? 'healthy'
    const headers = ['location', location, ...marks(call, 'hold', reason)]
    if (call.response === undefined) throw new TypeError('hop: an upgrade has no response to redirect')
    write(call.response, call.request, { status: 307, headers, contentType: '', text: '', close: false })
  }

  /** Ends a call with an answer. */
  function send(call: Call, answer: Answer): void {
    const written = write(call.response ?? call.socket, call.request, answer)
    if (!written) return
    call.status = answer.status
    call.bytesOut += Buffer.byteLength(answer.text)
    log.debug({ call: call.id, status: answer.status }, 'answered by Weir itself')
  }

  function write(
    target: ServerResponse | Duplex,
    request: IncomingMessage | undefined,
    answer: Answer,
  ): boolean {
    if (target.destroyed || target.writableEnded) return false
    if (!('writeHead' in target)) {
      // The answer is gone with the socket: an error on the way out has no reader.
      target.on('error', ignore)
      target.end(rawAnswer(answer, wall()), () => target.destroy())
      return true
    }
    if (target.headersSent) {
      target.destroy()
      return false
    }
    for (let index = 0; index + 1 < answer.headers.length; index += 2) {
      target.setHeader(answer.headers[index]!, answer.headers[index + 1]!)
    }
    const source = request ?? target.req
    // RFC 9110 10.1.1: after a final answer instead of 100, nobody knows whether the body will follow.
    if (answer.close || awaitsContinue(source)) target.setHeader('connection', 'close')
    else linger(source, target)
    if (answer.contentType !== '') target.setHeader('content-type', answer.contentType)
    target.setHeader('content-length', Buffer.byteLength(answer.text))
    // What a head of the upstream's left behind that Node refused to write.
    target.statusMessage = STATUS_CODES[answer.status] ?? ''
    target.writeHead(answer.status)
    target.end(answer.text)
    return true
  }

  return { refuse, verdict, accepted, early, denied, present, hop, interim }
}

function interim(call: Call, status: 100 | 102): void {
  const { response, request } = call
  if (response === undefined || response.headersSent || response.destroyed) return
  if (request.httpVersion !== '1.1') return
  if (status === 100) response.writeContinue()
  else response.writeProcessing()
}

/** The request said `Expect: 100-continue` and nothing of its body has come. */
function awaitsContinue(request: IncomingMessage): boolean {
  return !request.complete && request.headers.expect !== undefined
}

function dialectOf(call: Call): Dialect {
  return call.upstream.options.dialect
}

/** A whole answer for a socket that has no ServerResponse; all parts are of this file's own tables. */
function rawAnswer(answer: Answer, wallMs: number): string {
  const lines = [`HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? 'Error'}`]
  for (let index = 0; index + 1 < answer.headers.length; index += 2) {
    lines.push(`${answer.headers[index]!}: ${answer.headers[index + 1]!}`)
  }
  lines.push(`content-type: ${answer.contentType}`, `content-length: ${Buffer.byteLength(answer.text)}`)
  lines.push(`date: ${new Date(wallMs).toUTCString()}`, 'connection: close', '', answer.text)
  return lines.join('\r\n')
}

function ignore(): void {}
