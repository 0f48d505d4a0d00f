/** What the commons says, as HTTP: JSON, or a problem (RFC 9457) with what is wrong, where, and what is allowed. */
import type { ServerResponse } from 'node:http'
import { REFUSALS, Refused } from '../refused.ts'
import { DamagedError, StoreError } from '../store.ts'
import type { Answer } from './route.ts'

/** Seconds after which it is worth another try. */
const RETRY_AFTER_S: Readonly<Record<number, string>> = { 429: '5', 503: '2' }

export function send(response: ServerResponse, { status, headers = {}, body }: Answer): void {
  if (response.headersSent || response.destroyed) return
  const text = body === undefined ? '' : `${JSON.stringify(body)}\n`
  const type = headers['content-type'] ?? (status < 400 ? 'application/json' : 'application/problem+json')
  response.writeHead(status, {
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'weir-source': 'commons',
    ...headers,
    ...(body === undefined ? {} : { 'content-type': type }),
    ...(status === 204 || status === 304 ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
  })
  response.end(text)
}

/** @returns whether the cause is Weir's own and belongs into its log */
export function sendProblem(
  response: ServerResponse,
  error: unknown,
  headers: Record<string, string> = {},
): boolean {
  const { answer, isOurs } = problemOf(error)
  if (response.headersSent) response.destroy()
  else send(response, { ...answer, headers: { ...answer.headers, ...headers } })
  return isOurs
}

export function problemOf(error: unknown): { readonly answer: Answer; readonly isOurs: boolean } {
  const refused =
    error instanceof Refused
      ? error
      : error instanceof StoreError
        ? new Refused('unavailable', 'the store of the commons does not answer; proxying goes on')
        : error instanceof DamagedError
          ? new Refused(
              'damaged',
              'this record is not what was written, and is left alone; all others are whole',
            )
          : undefined
  if (refused === undefined) {
    const body = {
      type: 'about:blank',
      title: 'Internal error',
      status: 500,
      detail: 'the log of Weir says more',
    }
    return { answer: { status: 500, body }, isOurs: true }
  }
  const { status, title } = REFUSALS[refused.why]
  const retryAfter = RETRY_AFTER_S[status]
  return {
    answer: {
      status,
      headers: retryAfter === undefined ? {} : { 'retry-after': retryAfter },
      body: {
        type: 'about:blank',
        title,
        status,
        code: refused.why,
        detail: refused.message,
        ...(refused.faults.length === 0 ? {} : { errors: refused.faults }),
      },
    },
    isOurs: error instanceof StoreError || error instanceof DamagedError,
  }
}
