/** The answers of the operator's listener: JSON, text, and problems (RFC 9457) in one voice. */
import type { ServerResponse } from 'node:http'

/** A file of the dashboard, or any other fixed page. */
export interface Page {
  readonly contentType: string
  readonly body: string | Buffer
}

/** On every answer: nothing is cached, sniffed, framed or read by another origin. */
const guards = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'content-security-policy':
    "default-src 'none'; connect-src 'self'; style-src 'self'; script-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
} as const

export function sendPage(response: ServerResponse, page: Page, status = 200): void {
  const headers = {
    'content-type': page.contentType,
    'content-length': Buffer.byteLength(page.body),
    ...guards,
  }
  response.writeHead(status, headers).end(page.body)
}

export function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  sendPage(response, { contentType: 'application/json', body: `${JSON.stringify(value)}\n` }, status)
}

/** `detail` says what is allowed instead. */
export function sendProblem(response: ServerResponse, status: number, title: string, detail: string): void {
  const body = `${JSON.stringify({ type: 'about:blank', title, status, detail })}\n`
  sendPage(response, { contentType: 'application/problem+json', body }, status)
}
