/** What Weir does not author it does not change: direct and through the proxy, byte for byte (promises.md row 83). */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { kept } from '../kit/kept.ts'
import { startProxy } from '../kit/proxy.ts'
import { RawClient, type RawResponse } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

const CASES = 150

const word = fc.stringMatching(/^[A-Za-z0-9!#$%&'*+.^`|~-]{1,12}$/)
/** Names that mean nothing to any hop; `Y-` keeps them apart from ours and the protocol's. */
const field = fc.tuple(
  word.map((text) => `Y-${text}`),
  fc.stringMatching(/^([\x21-\x7e\xa1-\xff]([\x20-\x7e\xa1-\xff]{0,30}[\x21-\x7e\xa1-\xff])?)?$/),
)
const fields = fc.array(field, { maxLength: 12 })
const body = fc.uint8Array({ maxLength: 2000 })
const framing = fc.constantFrom('length', 'chunked')

const message = fc.record({ fields, body, framing })
const request = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
  path: fc.stringMatching(/^(\/[A-Za-z0-9_~-]{1,8}){0,3}(\?[A-Za-z0-9=&%+._~-]{0,20})?$/).map((text) =>
    // A lone percent sign is no path or query that Weir would forward.
    text.replaceAll('%', '%41').replace(/^(?!\/)/, '/'),
  ),
  message,
})
const response = fc.record({
  status: fc.constantFrom(200, 201, 400, 404, 418, 429, 500, 503),
  reason: fc.stringMatching(/^[A-Za-z][A-Za-z ]{0,15}$/),
  message,
})

interface Message {
  readonly fields: readonly (readonly [string, string])[]
  readonly body: Uint8Array
  readonly framing: string
}

function serialise(start: string, { fields: list, body: bytes, framing: how }: Message): Buffer {
  const lines = list.map(([name, value]) => `${name}: ${value}`)
  if (how === 'length') {
    const head = [start, ...lines, `Content-Length: ${bytes.length}`, '', ''].join('\r\n')
    return Buffer.concat([Buffer.from(head, 'latin1'), bytes])
  }
  const head = [start, ...lines, 'Transfer-Encoding: chunked', '', ''].join('\r\n')
  const half = bytes.length >> 1
  const chunks = [bytes.subarray(0, half), bytes.subarray(half)]
    .filter(({ length }) => length > 0)
    .flatMap((chunk) => [Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n')])
  return Buffer.concat([Buffer.from(head, 'latin1'), ...chunks, Buffer.from('0\r\n\r\n')])
}

/** Undoes the framing, which is each connection's own. */
function bodyOf(received: Buffer): Buffer {
  const end = received.indexOf('\r\n\r\n') + 4
  const head = received.subarray(0, end).toString('latin1').toLowerCase()
  if (!head.includes('transfer-encoding: chunked')) return received.subarray(end)
  const parts: Buffer[] = []
  for (let at = end; ;) {
    const lineEnd = received.indexOf('\r\n', at)
    const size = Number.parseInt(received.subarray(at, lineEnd).toString('latin1'), 16)
    if (!(size > 0)) return Buffer.concat(parts)
    parts.push(received.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}

function isWhole(received: Buffer, how: string, bytes: number): boolean {
  const end = received.indexOf('\r\n\r\n')
  if (end === -1) return false
  if (bytes === 0) return true
  return how === 'length'
    ? received.length >= end + 4 + bytes
    : received.subarray(-5).toString() === '0\r\n\r\n'
}

function endToEnd(lines: readonly string[]): string[] {
  return lines.filter((line) => line.startsWith('Y-'))
}

test('method, target, end-to-end fields and bodies are the same on both sides, as are status and reason', async () => {
  const upstream = kept(await RawUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  await fc.assert(
    fc.asyncProperty(request, response, async (asked, answered) => {
      let seen = Buffer.alloc(0)
      upstream.answer((connection) => {
        connection.socket.on('data', () => {
          const bytes = asked.message.body.length
          if (seen.length > 0 || !isWhole(connection.received, asked.message.framing, bytes)) return
          seen = connection.received
          const start = `HTTP/1.1 ${answered.status} ${answered.reason}`
          connection.send(serialise(start, answered.message))
          connection.socket.end()
        })
      })
      const client = await RawClient.open(proxy.port)
      const start = `${asked.method} /api${asked.path} HTTP/1.1\r\nHost: weir.local`
      client.send(serialise(start, asked.message))
      let answer: RawResponse
      try {
        answer = await client.response()
      } finally {
        client.close()
      }
      const [requestLine, ...lines] = seen
        .subarray(0, seen.indexOf('\r\n\r\n'))
        .toString('latin1')
        .split('\r\n')
      expect(requestLine).toBe(`${asked.method} ${asked.path} HTTP/1.1`)
      expect(endToEnd(lines)).toEqual(asked.message.fields.map(([name, value]) => `${name}: ${value}`))
      expect(bodyOf(seen).equals(Buffer.from(asked.message.body))).toBe(true)
      expect(answer.statusLine).toBe(`HTTP/1.1 ${answered.status} ${answered.reason}`)
      expect(endToEnd(answer.lines)).toEqual(
        answered.message.fields.map(([name, value]) => `${name}: ${value}`),
      )
      expect(answer.body.equals(Buffer.from(answered.message.body))).toBe(true)
    }),
    { numRuns: CASES },
  )
  expect(proxy.proxy.stats.openCalls).toBe(0)
})
