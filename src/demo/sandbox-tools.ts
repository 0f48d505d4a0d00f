/** The faces of the sandbox that are no model: an identity check, a small MCP server, and the echo. */
import { createHash } from 'node:crypto'
import { jsonAnswer, members, streamAnswer, textMember } from './sandbox-answer.ts'
import type { Answer, SandboxRequest } from './sandbox-answer.ts'

/** The largest echo, in bytes. */
const maxEchoBytes = 64 * 1024 * 1024
/** The longest event stream of the echo. */
const maxEchoEvents = 10_000

/** An identity provider, as a KYC workflow calls one. */
export function verify(request: SandboxRequest): Answer {
  const subject = textMember(members(request.body), 'subject', 'unknown')
  const score = Number.parseInt(request.digest.slice(0, 2), 16) / 255
  return jsonAnswer({ id: `ver_${request.digest.slice(0, 16)}`, subject, verified: true, score })
}

/** Streamable HTTP without sessions: initialize, tools/list, tools/call; notifications get 202. */
export function mcp(request: SandboxRequest): Answer {
  const call = members(request.body)
  if (call['id'] === undefined)
    return { status: 202, contentType: 'application/json', parts: [''], streaming: false }
  const method = textMember(call, 'method', '')
  const known: Readonly<Record<string, object>> = {
    initialize: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'sandbox', version: '1' },
    },
    ping: {},
    'tools/list': { tools: [{ name: 'lookup', description: 'Looks up', inputSchema: { type: 'object' } }] },
    'tools/call': { content: [{ type: 'text', text: request.digest }], isError: false },
  }
  const result = Object.hasOwn(known, method) ? known[method] : undefined
  const outcome =
    result === undefined ? { error: { code: -32601, message: `no method '${method}'` } } : { result }
  return jsonAnswer({ jsonrpc: '2.0', id: call['id'], ...outcome })
}

/**
 * Any other path. Query: `status=` answers with it, `bytes=` sends that many derived bytes, `sse=` that many events,
 * `headers=1` says which headers arrived.
 */
export function echo(request: SandboxRequest): Answer {
  const status = bounded(request.query.get('status'), 200, 599) ?? 200
  const events = bounded(request.query.get('sse'), 1, maxEchoEvents)
  if (events !== undefined) {
    return streamAnswer(
      Array.from({ length: events }, (_, at) => `data: ${request.digest.slice(0, 16)} ${at}\n\n`),
    )
  }
  const bytes = bounded(request.query.get('bytes'), 0, maxEchoBytes)
  if (bytes !== undefined) {
    const parts = [derivedBytes(request.digest, bytes)]
    return { status, contentType: 'application/octet-stream', parts, streaming: false }
  }
  const sha256 = createHash('sha256').update(request.body).digest('hex')
  const seen = { method: request.method, path: request.path, query: request.query.toString() }
  const headers = request.query.get('headers') === '1' ? { headers: request.rawHeaders } : {}
  return jsonAnswer({ ...seen, bodyBytes: request.body.length, sha256, ...headers }, status)
}

/** A block of 32 bytes from the digest, repeated; cheap, and different for every request. */
function derivedBytes(digest: string, bytes: number): Buffer {
  return Buffer.alloc(bytes, Buffer.from(digest, 'hex'))
}

function bounded(text: string | null, least: number, most: number): number | undefined {
  if (text === null) return undefined
  const value = Number(text)
  return Number.isInteger(value) && value >= least && value <= most ? value : undefined
}
