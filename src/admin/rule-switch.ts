/**
 * The one thing that the operator's listener changes: the mode of a rule, in memory, until the next reload. Off
 * unless the config says `operator.control: true`.
 *
 * There is no login here, so the guards are against a page of somebody else's in the operator's browser: the Host is
 * our own (checked for every path), the Origin is this listener, and a header that no form can send and no foreign
 * script may send without the CORS permission that is never given.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { MODES, type Mode } from '../core/model.ts'
import { sendJson, sendProblem } from './answers.ts'

export type ModeChange =
  | {
      readonly ok: true
      readonly id: string
      readonly from: Mode
      readonly mode: Mode
      readonly fileMode: Mode
      readonly override: boolean
    }
  | { readonly ok: false; readonly why: 'unknown' | 'impossible' | 'not-running'; readonly detail: string }

export interface RuleSwitch {
  /** `by` is the peer's address, for the log. */
  setMode(id: string, mode: Mode, by: string): ModeChange
}

const PATH = /^\/api\/v1\/policies\/rules\/(.{1,300})\/mode$/
/** `{"mode":"enforce"}` has 18. */
const MOST_BYTES = 1024
const STATUS = { unknown: 404, impossible: 409, 'not-running': 503 } as const
const TITLE = {
  unknown: 'No such rule',
  impossible: 'Not possible',
  'not-running': 'Not running',
} as const

/** The id in a path of this API, which holds a `/` of its own, encoded or not; undefined = another path. */
export function ruleOfPath(path: string): string | undefined {
  const match = PATH.exec(path)
  if (match === null) return undefined
  try {
    return decodeURIComponent(match[1] ?? '')
  } catch {
    return ''
  }
}

/** @param rules undefined = the config does not allow it */
export async function switchRule(
  rules: RuleSwitch | undefined,
  id: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refused = refusalOf(rules !== undefined, request)
  if (refused !== undefined) {
    response.setHeader('connection', 'close')
    if (refused.status === 405) response.setHeader('allow', 'POST')
    return sendProblem(response, refused.status, refused.title, refused.detail)
  }
  const body = await bodyOf(request)
  const mode = body === undefined ? undefined : modeOf(body)
  if (mode === undefined) {
    response.setHeader('connection', 'close')
    return sendProblem(response, 400, 'Bad request', `the body must be {"mode": one of ${MODES.join(', ')}}`)
  }
  const change = rules!.setMode(id, mode, request.socket.remoteAddress ?? '')
  if (change.ok) {
    const { ok: _, ...answer } = change
    return sendJson(response, answer)
  }
  sendProblem(response, STATUS[change.why], TITLE[change.why], change.detail)
}

interface Refusal {
  readonly status: 403 | 405 | 415
  readonly title: string
  readonly detail: string
}

function refusalOf(isAllowed: boolean, request: IncomingMessage): Refusal | undefined {
  const { headers } = request
  if (request.method !== 'POST') {
    return {
      status: 405,
      title: 'Method not allowed',
      detail: 'this path takes POST; GET /api/v1/policies reads',
    }
  }
  if (!isAllowed) {
    return forbidden('this API only reads: switching rules needs `operator: { control: true }` in weir.yaml')
  }
  if (headers['weir-control'] !== '1') return forbidden('needs the header weir-control: 1')
  if (!isSameOrigin(headers)) return forbidden('Origin must be this listener')
  if (!/^application\/json(?:\s*;|$)/i.test(headers['content-type'] ?? '')) {
    return { status: 415, title: 'Unsupported media type', detail: 'content-type must be application/json' }
  }
  return undefined
}

function forbidden(detail: string): Refusal {
  return { status: 403, title: 'Forbidden', detail }
}

/** Tools send no Origin; browsers always do on a POST. A proxy that ends TLS in front keeps the host. */
function isSameOrigin(headers: IncomingMessage['headers']): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined && site !== 'same-origin') return false
  const { origin, host } = headers
  return origin === undefined || origin === `http://${host}` || origin === `https://${host}`
}

/** undefined = too long, or cut. The server's own timeout bounds the wait. */
function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let bytes = 0
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes <= MOST_BYTES) chunks.push(chunk)
      else resolve(undefined)
    })
    request.on('end', () => resolve(Buffer.concat(chunks).toString()))
    request.on('close', () => resolve(undefined))
  })
}

function modeOf(body: string): Mode | undefined {
  try {
    const value: unknown = JSON.parse(body)
    if (typeof value !== 'object' || value === null || !('mode' in value)) return undefined
    return MODES.find((mode) => mode === value.mode)
  } catch {
    return undefined
  }
}
