/**
 * The same conversation twice, straight to the upstream and through the proxy: both ends must not be able to tell,
 * but for what belongs to each connection and what Weir says of itself (promises.md row 83, G1). What is drawn here
 * is awkward on purpose: names that repeat in other case, answers without bodies, trailers, interim answers,
 * bodies that end with their connection, writes that break anywhere.
 */
import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { kept } from '../kit/kept.ts'
import { LENIENT_READERS, readRequests, type ReadRequest } from '../kit/lenient-readers.ts'
import { startProxy } from '../kit/proxy.ts'
import { RawClient, type RawResponse } from '../kit/raw-client.ts'
import { RawUpstream, type RawConnection } from '../kit/raw-upstream.ts'

const CASES = 150

/** Few names, so that they repeat; each in several cases. */
const name = fc.constantFrom(
  'X-A',
  'x-a',
  'X-a',
  'Accept',
  'Cookie',
  'cookie',
  'Set-Cookie',
  'set-cookie',
  'Content-Type',
  'Content-Encoding',
  'Content-Range',
  'Cache-Control',
  'ETag',
  'If-None-Match',
  'Last-Modified',
  'WWW-Authenticate',
  'Authorization',
  'X_Underscore',
  "!#$%&'*+.^`|~",
  'X-RateLimit-Remaining',
  'OpenAI-Organization',
  'Traceparent',
  'Server',
  'Vary',
  'Age',
)
const value = fc.oneof(
  fc.constantFrom('', 'a, b', 'gzip', '"x"', 'text/event-stream', 'a=b; c="d;e"', 'caf\xe9 \xff'),
  fc.stringMatching(/^[\x21-\x7e]([\x20-\x7e]{0,40}[\x21-\x7e])?$/),
)
const fields = fc.array(fc.tuple(name, value), { maxLength: 10 })
const body = fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ minLength: 1, maxLength: 3000 }))
/** Where the bytes of a message break into writes, as shares of its length. */
const breaks = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 3 })

const question = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND', 'QUERY'),
  target: fc.constantFrom(
    '/',
    '/v1/x',
    '/v1/x?a=b&c=%2F&&',
    '/a%2Fb/',
    '/a/~b/(c)/!d',
    '/v1/m:generate?alt=sse',
  ),
  fields,
  body,
  framing: fc.constantFrom('none', 'length', 'chunked'),
  takesTrailers: fc.boolean(),
  breaks,
})
const answer = fc.record({
  status: fc.constantFrom(
    200,
    201,
    202,
    204,
    206,
    207,
    301,
    304,
    400,
    401,
    404,
    418,
    422,
    429,
    500,
    502,
    599,
  ),
  reason: fc.constantFrom('OK', '', 'Sort Of', "I'm a teapot", 'Caf\xc3\xa9'),
  fields,
  body,
  framing: fc.constantFrom('length', 'chunked', 'close'),
  trailers: fc.array(fc.tuple(fc.constantFrom('X-Sum', 'x-sum', 'Server-Timing'), value), { maxLength: 3 }),
  interim: fc.constantFrom(0, 1, 3),
  breaks,
})

type Question = typeof question extends fc.Arbitrary<infer T> ? T : never
type Answer = typeof answer extends fc.Arbitrary<infer T> ? T : never

/** Of one connection, or said by Weir itself. `Date` is drawn by neither end, and given by Node. */
const PER_CONNECTION =
  /^(?:host|connection|keep-alive|te|transfer-encoding|content-length|via|date|weir-call-id|server-timing): ?/i

function lines(list: readonly (readonly [string, string])[]): string {
  return list.map(([field, text]) => `${field}: ${text}\r\n`).join('')
}

function chunks(bytes: Uint8Array, trailers: string): Buffer {
  const half = bytes.length >> 1
  const parts = [bytes.subarray(0, half), bytes.subarray(half)].filter(({ length }) => length > 0)
  const framed = parts.flatMap((part) => [
    Buffer.from(`${part.length.toString(16)}\r\n`),
    part,
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...framed, Buffer.from(`0\r\n${trailers}\r\n`, 'latin1')])
}

function questionBytes(asked: Question, prefix: string): Buffer {
  const hasBody = asked.framing !== 'none' && asked.method !== 'HEAD'
  let head = `${asked.method} ${prefix}${asked.target} HTTP/1.1\r\nHost: weir.local\r\nUser-Agent: t\r\n${lines(asked.fields)}`
  if (asked.takesTrailers) head += 'TE: trailers\r\nConnection: TE\r\n'
  if (!hasBody) return Buffer.from(`${head}\r\n`, 'latin1')
  if (asked.framing === 'chunked') {
    return Buffer.concat([
      Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`, 'latin1'),
      chunks(asked.body, ''),
    ])
  }
  return Buffer.concat([
    Buffer.from(`${head}Content-Length: ${asked.body.length}\r\n\r\n`, 'latin1'),
    asked.body,
  ])
}

function isBodyless(method: string, status: number): boolean {
  return method === 'HEAD' || status === 204 || status === 304
}

function answerBytes(told: Answer, method: string): Buffer {
  const early = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(told.interim)
  const head = `${early}HTTP/1.1 ${told.status} ${told.reason}\r\n${lines(told.fields)}`
  if (isBodyless(method, told.status)) {
    // What a GET or a 200 would have had (RFC 9110 8.6).
    const length = told.framing === 'length' && told.status !== 204 ? 'Content-Length: 1234\r\n' : ''
    return Buffer.from(`${head}${length}\r\n`, 'latin1')
  }
  if (told.framing === 'close') {
    return Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`, 'latin1'), told.body])
  }
  if (told.framing === 'chunked') {
    const framed = chunks(told.body, lines(told.trailers))
    return Buffer.concat([Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`, 'latin1'), framed])
  }
  return Buffer.concat([
    Buffer.from(`${head}Content-Length: ${told.body.length}\r\n\r\n`, 'latin1'),
    told.body,
  ])
}

/** Writes that arrive one by one, the first of at least `together` bytes. */
async function send(
  to: { send(bytes: Uint8Array): unknown },
  bytes: Buffer,
  at: readonly number[],
  together = 0,
): Promise<void> {
  let from = 0
  for (const share of at.toSorted((a, b) => a - b)) {
    const end = together + Math.floor(share * (bytes.length - together))
    if (end > from) to.send(bytes.subarray(from, end))
    from = Math.max(from, end)
    await new Promise((resolve) => setImmediate(resolve))
  }
  if (from < bytes.length) to.send(bytes.subarray(from))
}

async function tell(connection: RawConnection, asked: Question, told: Answer): Promise<void> {
  const bytes = answerBytes(told, asked.method)
  // undici keeps only the last part of a reason that comes in two (7.30): it has no meaning, and stays whole here.
  const statusLineEnd = bytes.indexOf('\r\n', bytes.indexOf(`HTTP/1.1 ${told.status}`)) + 2
  await send(connection, bytes, told.breaks, statusLineEnd)
  if (told.framing === 'close') connection.socket.end()
}

function endToEnd(all: readonly string[]): string[] {
  return all.filter((line) => !PER_CONNECTION.test(line))
}

function sha(bytes: Uint8Array | string): string {
  return createHash('sha256')
    .update(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
    .digest('hex')
}

interface Told {
  readonly request: ReadRequest | undefined
  readonly response: RawResponse
}

function seenByUpstream({ request }: Told): object {
  const { line = '', lines: all = [], body: bytes = '' } = request ?? {}
  return { line, lines: endToEnd(all), body: sha(bytes) }
}

function seenByClient({ response }: Told): object {
  const { statusLine, body: bytes } = response
  return { statusLine, lines: endToEnd(response.lines), body: sha(bytes) }
}

test('neither end can tell whether there is a proxy between them', async () => {
  let script: { readonly asked: Question; readonly told: Answer; request?: ReadRequest } | undefined
  const upstream = kept(
    await RawUpstream.start((connection) => {
      let answered = 0
      connection.socket.on('data', () => {
        const requests = readRequests(connection.text, LENIENT_READERS[0]!.how).filter(
          ({ isWhole }) => isWhole,
        )
        if (script === undefined || requests.length === answered) return
        answered = requests.length
        const { asked, told } = script
        script.request = requests.at(-1)!
        void tell(connection, asked, told)
      })
    }),
  )
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))

  async function converse(asked: Question, told: Answer, port: number, prefix: string): Promise<Told> {
    script = { asked, told }
    const client = await RawClient.open(port)
    await send(client, questionBytes(asked, prefix), asked.breaks)
    let response: RawResponse
    do {
      if (asked.method === 'HEAD') response = await headOf(client)
      else response = await client.response()
    } while (response.status < 200)
    client.close()
    return { request: script.request, response }
  }

  await fc.assert(
    fc.asyncProperty(question, answer, async (asked, told) => {
      const direct = await converse(asked, told, upstream.port, '')
      const proxied = await converse(asked, told, proxy.port, '/api')
      expect(seenByUpstream(proxied)).toEqual(seenByUpstream(direct))
      expect(seenByClient(proxied)).toEqual(seenByClient(direct))
      // A length that was said is said again, and nobody makes one up.
      expect(proxied.response.headers['content-length']).toBe(direct.response.headers['content-length'])
      const mayTrail = asked.takesTrailers && told.framing === 'chunked'
      expect(proxied.response.trailers).toEqual(mayTrail ? direct.response.trailers : [])
    }),
    { numRuns: CASES },
  )
  expect(proxy.proxy.stats.openCalls).toBe(0)
  expect(proxy.outcomes.length).toBe(CASES)
})

/** The answer to HEAD, which no length tells the end of. */
async function headOf(client: RawClient): Promise<RawResponse> {
  const text = await client.until((received) => /^HTTP\/1\.1 [2-5][^]*\r\n\r\n$/m.test(received))
  const [statusLine = '', ...all] = text
    .slice(text.search(/^HTTP\/1\.1 [2-5]/m))
    .split('\r\n')
    .filter(Boolean)
  const status = Number(statusLine.split(' ')[1])
  return { status, statusLine, lines: all, headers: {}, body: Buffer.alloc(0), trailers: [] }
}
