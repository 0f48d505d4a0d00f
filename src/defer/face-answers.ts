/**
 * What `/weir/v1/deferred/{id}` says, as HTTP. `weir-deferred` names the state on every answer, so that the upstream's
 * own 202 or 404 is never taken for Weir's. Nothing here repeats what somebody sent, but for the kept answer.
 */
import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Millis } from '../core/model.ts'
import type { DeferredView, Why } from './deferred-call.ts'
import type { AnswerMessage } from './packed-message.ts'

/** Of the connection that the answer came by; the length is said again. */
const NOT_REPLAYED: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'content-length',
  'trailer',
  'upgrade',
])

const WHY_TEXT: Readonly<Record<Why, string>> = {
  '': '',
  cancelled: 'It was cancelled.',
  refused: 'A rule refuses it for good.',
  'answer-too-large': 'It was answered, and the answer is larger than what is kept.',
  'no-room': 'It was answered, and there was no room to keep the answer.',
  damaged: 'What was stored of it is damaged; it was not sent.',
  'no-answer': 'It was sent, and no whole answer came.',
  'owner-lost': 'It was sent, and the process that sent it ended before the answer.',
  attempts: 'It was tried as often as is allowed, and no whole answer came.',
}

export function pending(response: ServerResponse, view: DeferredView, retryAfterMs: Millis): void {
  const state = view.state === 'leased' ? 'waiting' : view.state
  response.setHeader('retry-after', Math.ceil(retryAfterMs / 1000))
  response.setHeader('weir-deferred', state)
  const { id, acceptedAt, expiresAt } = view
  json(response, 202, 'application/json', {
    id,
    state,
    acceptedAt: new Date(acceptedAt).toISOString(),
    expiresAt: new Date(expiresAt).toISOString(),
  })
}

/** The original answer: its status, its header fields, its bytes. */
export function replay(response: ServerResponse, answer: AnswerMessage, state: string): void {
  if (response.headersSent || response.destroyed) return
  const { status, statusText, rawHeaders, body } = answer
  const headers: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (!NOT_REPLAYED.has(rawHeaders[index]!.toLowerCase()))
      headers.push(rawHeaders[index]!, rawHeaders[index + 1]!)
  }
  // Names that were set before would be lost: a flat list replaces them.
  for (const [name, value] of Object.entries(response.getHeaders())) headers.push(name, String(value))
  headers.push('weir-deferred', state)
  if (status !== 204 && status !== 304) headers.push('content-length', String(body.length))
  response.writeHead(status, statusText === '' ? (STATUS_CODES[status] ?? '') : statusText, headers)
  response.end(body)
}

/** It ended without an answer of the upstream's; Weir's own last word is kept. */
export function ended(response: ServerResponse, view: DeferredView, answer: AnswerMessage): void {
  if (view.state === 'failed' && view.why === 'refused') replay(response, answer, view.state)
  else gone(response, view)
}

export function gone(response: ServerResponse, view: DeferredView): void {
  response.setHeader('weir-deferred', view.state)
  const text = WHY_TEXT[view.why]
  if (view.state === 'expired') {
    problem(response, 410, 'expired', 'The call waited as long as it may and was not sent.')
  } else if (view.state === 'unknown') {
    problem(response, 502, 'outcome_unknown', `${text} It may have had its effect and is not sent again.`)
  } else if (view.why === 'cancelled') problem(response, 410, 'cancelled', text)
  else problem(response, 502, view.why.replaceAll('-', '_') || 'failed', text)
}

export function nothing(response: ServerResponse): void {
  problem(response, 404, 'not_found', 'There is no such deferred call, or it is not kept any more.')
}

export function unavailable(response: ServerResponse): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  response.setHeader('retry-after', '2')
  const text = 'The store of deferred calls does not answer now; what was accepted is not lost.'
  problem(response, 503, 'store_unavailable', text)
}

export function removed(response: ServerResponse): void {
  response.writeHead(204, { 'weir-source': 'proxy', 'cache-control': 'no-store' })
  response.end()
}

/** RFC 9457. */
export function problem(response: ServerResponse, status: number, code: string, detail: string): void {
  const title = STATUS_CODES[status] ?? 'Error'
  json(response, status, 'application/problem+json', { type: 'about:blank', title, status, code, detail })
}

function json(response: ServerResponse, status: number, type: string, value: object): void {
  if (response.headersSent || response.destroyed) return
  const body = `${JSON.stringify(value)}\n`
  response.setHeader('weir-source', 'proxy')
  response.setHeader('cache-control', 'no-store')
  response.setHeader('content-type', type)
  response.setHeader('content-length', Buffer.byteLength(body))
  response.writeHead(status)
  response.end(body)
}
