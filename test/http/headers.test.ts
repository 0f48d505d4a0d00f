import { expect, test } from 'vitest'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { kept } from '../kit/kept.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { RawClient, type RawResponse } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

interface Exchanged {
  readonly answer: RawResponse
  /** Header lines as the upstream got them. */
  readonly sent: string[]
  readonly proxy: TestProxy
}

async function exchange(requestText: string, responseText = OK): Promise<Exchanged> {
  const upstream = kept(await RawUpstream.start(responseText))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  const client = kept(await RawClient.open(proxy.port))
  client.send(requestText)
  const answer = await client.response()
  return { answer, sent: upstream.connections[0]?.head ?? [], proxy }
}

function names(lines: readonly string[]): string[] {
  return lines.map((line) => line.split(':')[0]!.toLowerCase())
}

test('hop-by-hop fields and all that Connection names stop here', async () => {
  const { sent, answer } = await exchange(
    [
      'GET /api/x HTTP/1.1',
      'Host: a',
      'Connection: X-Secret, keep-alive',
      'X-Secret: s',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eDp5',
      'TE: gzip',
      'Trailer: X-Sum',
      'HTTP2-Settings: AAMAAABk',
      'X-Stays: 1',
      '',
      '',
    ].join('\r\n'),
    'HTTP/1.1 200 OK\r\nConnection: X-Inner, close\r\nX-Inner: 1\r\nKeep-Alive: timeout=3\r\nAlt-Svc: h3=":443"\r\n' +
      'Proxy-Authenticate: Basic\r\nX-Stays: 2\r\ncontent-length: 2\r\n\r\nok',
  )
  expect(names(sent.slice(1))).toEqual(['host', 'connection', 'x-stays', 'via'])
  expect(sent).toContain('connection: keep-alive')
  expect(names(answer.lines)).not.toContain('x-inner')
  expect(names(answer.lines)).not.toContain('alt-svc')
  expect(names(answer.lines)).not.toContain('proxy-authenticate')
  expect(answer.headers['x-stays']).toBe('2')
  expect(answer.headers.connection).toBe('keep-alive')
})

test('order, case and repetition of end-to-end fields stay, and bytes beyond ASCII', async () => {
  const { sent, answer } = await exchange(
    'GET /api/x HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nx-a: \xe9\xff\r\nX-B: 2\r\nAccept: */*\r\n\r\n',
    'HTTP/1.1 200 Cr\xc3\xa9\xc3\xa9\r\nX-B: 1\r\nx-a: \xe9\xff\r\nX-B: 2\r\ncontent-length: 0\r\n\r\n',
  )
  expect(sent.slice(3, 7)).toEqual(['X-B: 1', 'x-a: \xe9\xff', 'X-B: 2', 'Accept: */*'])
  expect(answer.statusLine).toBe('HTTP/1.1 200 Cr\xc3\xa9\xc3\xa9')
  expect(answer.lines.slice(0, 3)).toEqual(['X-B: 1', 'x-a: \xe9\xff', 'X-B: 2'])
})

test('X-Forwarded-* and Forwarded are added to nothing, and pass as they came', async () => {
  const lines = [
    'X-Forwarded-For: 203.0.113.7, 10.0.0.1',
    'x-forwarded-proto: gopher',
    'X-Forwarded-Host: a.example',
    'X-Forwarded-For: not an address',
    'Forwarded: for=192.0.2.60;proto=http',
    'X-Real-IP: 198.51.100.1',
  ]
  const { sent } = await exchange(`GET /api/x HTTP/1.1\r\nHost: a\r\n${lines.join('\r\n')}\r\n\r\n`)
  expect(sent.filter((line) => /^(x-forwarded|forwarded|x-real)/i.test(line))).toEqual(lines)
  const bare = await exchange('GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(names(bare.sent.slice(1))).toEqual(['host', 'connection', 'via'])
})

test('the Date of the upstream is left as it is, and given where there was none', async () => {
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  const dated = await exchange(
    'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n',
    OK.replace('\r\n', `\r\nDate: ${date}\r\n`),
  )
  expect(dated.answer.lines.filter((line) => /^date:/i.test(line))).toEqual([`Date: ${date}`])
  const undated = await exchange('GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n')
  expect(undated.answer.headers.date).toBeDefined()
})

test("Weir's own fields never go upstream, nor their twins with underscores, and an upstream cannot say them", async () => {
  const { sent, answer } = await exchange(
    'GET /api/x HTTP/1.1\r\nHost: a\r\nWeir-Agent: me\r\nweir_agent: you\r\nweir-priority: batch\r\nX-Weird: 1\r\n\r\n',
    OK.replace('\r\n', '\r\nweir-verdict: shed\r\nweir-source: proxy\r\n'),
  )
  expect(names(sent).filter((name) => name.includes('weir'))).toEqual(['x-weird'])
  expect(answer.headers['weir-verdict']).toBeUndefined()
  expect(answer.headers['weir-source']).toBeUndefined()
  expect(answer.headers['weir-call-id']).toMatch(/^[0-9a-f-]{36}$/)
})

test('Server-Timing is added to what the upstream says', async () => {
  const { answer } = await exchange(
    'GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n',
    OK.replace('\r\n', '\r\nServer-Timing: db;dur=5\r\n'),
  )
  const lines = answer.lines.filter((line) => /^server-timing:/i.test(line))
  expect(lines.length).toBe(2)
  expect(lines[0]).toBe('Server-Timing: db;dur=5')
  expect(lines[1]).toMatch(/^server-timing: weir;dur=[\d.]+, hold;dur=0$/)
})

test('Via names Weir behind those that came before', async () => {
  const { sent } = await exchange('GET /api/x HTTP/1.1\r\nHost: a\r\nVia: 1.0 fred, 1.1 edge (x)\r\n\r\n')
  const via = sent.filter((line) => /^via:/i.test(line))
  expect(via.length).toBe(1)
  expect(via[0]).toMatch(/^Via: 1\.0 fred, 1\.1 edge \(x\), 1\.1 weir-[0-9a-f]{12}$/)
})

test('a proxy that is its own upstream answers 508 once, without a storm', async () => {
  // Stands for a second proxy that leads back: only afterwards is the port of the first known.
  let back = ''
  const upstream = kept(
    await HttpUpstream.start(async (request, response) => {
      const inner = await fetch(`${back}/api/again`, { headers: { via: String(request.headers.via) } })
      response.writeHead(inner.status)
      response.end(await inner.text())
    }),
  )
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  back = proxy.origin
  expect((await fetch(`${proxy.origin}/api/x`)).status).toBe(508)
  expect(upstream.seen.length).toBe(1)
  expect(proxy.proxy.stats.refused).toEqual({ 508: 1 })
})

const HOST = 'Host: a\r\n'

test.each([
  ['two Host lines', `GET /api/x HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400],
  ['no Host', 'GET /api/x HTTP/1.1\r\n\r\n', 400],
  ['a Host with user-info', 'GET /api/x HTTP/1.1\r\nHost: a@b\r\n\r\n', 400],
  ['a Host with a path', 'GET /api/x HTTP/1.1\r\nHost: a/b\r\n\r\n', 400],
  [
    'gzip under chunked',
    `POST /api/x HTTP/1.1\r\n${HOST}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  ['chunks in HTTP/1.0', `POST /api/x HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  [
    'a length and chunks',
    `POST /api/x HTTP/1.1\r\n${HOST}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`,
    400,
  ],
  ['two lengths', `POST /api/x HTTP/1.1\r\n${HOST}Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc`, 400],
  ['a signed length', `POST /api/x HTTP/1.1\r\n${HOST}Content-Length: +3\r\n\r\nabc`, 400],
  ['a bare line feed', `GET /api/x HTTP/1.1\nHost: a\n\n`, 400],
  ['a folded line', `GET /api/x HTTP/1.1\r\n${HOST}X-A: 1\r\n 2\r\n\r\n`, 400],
  ['a space before the colon', `GET /api/x HTTP/1.1\r\nHost : a\r\n\r\n`, 400],
  ['TRACE', `TRACE /api/x HTTP/1.1\r\n${HOST}\r\n`, 405],
  ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${HOST}\r\n`, 405],
  ['Connection: authorization', `GET /api/x HTTP/1.1\r\n${HOST}Connection: Authorization\r\n\r\n`, 400],
  ['another expectation', `POST /api/x HTTP/1.1\r\n${HOST}Expect: cake\r\nContent-Length: 1\r\n\r\nx`, 417],
  ['101 header lines', `GET /api/x HTTP/1.1\r\n${HOST}${'X-A: 1\r\n'.repeat(100)}\r\n`, 431],
  ['33 KiB of head', `GET /api/x HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(33 * 1024)}\r\n\r\n`, 431],
  ['a URL of 8,193 bytes', `GET /api/${'a'.repeat(8193)} HTTP/1.1\r\n${HOST}\r\n`, 414],
])('%s: refused before anything is sent', async (_what, requestText, status) => {
  const { answer, sent, proxy } = await exchange(requestText)
  expect(answer.status).toBe(status)
  expect(answer.headers['weir-source']).toBe('proxy')
  expect(sent).toEqual([])
  expect(proxy.proxy.stats.refused).toEqual({ [status]: 1 })
  expect(proxy.core.arrivals).toEqual([])
})

test('100 header lines and 31 KiB of head pass, and the last line is seen', async () => {
  const many = `GET /api/x HTTP/1.1\r\n${HOST}${'X-A: 1\r\n'.repeat(98)}Authorization: Bearer t\r\n\r\n`
  const { answer, sent } = await exchange(many)
  expect(answer.status).toBe(200)
  expect(sent).toContain('Authorization: Bearer t')
  const long = await exchange(`GET /api/x HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(31 * 1024)}\r\n\r\n`)
  expect(long.answer.status).toBe(200)
})

test('a path of Weir itself is 404 until somebody serves it', async () => {
  const { answer, sent } = await exchange(`GET /weir/v1/calls/1 HTTP/1.1\r\n${HOST}\r\n`)
  expect(answer.status).toBe(404)
  expect(sent).toEqual([])
  const proxy = kept(
    await startProxy({
      upstreams: { api: new URL('http://127.0.0.1:9') },
      own: (_request, response, path) => {
        response.end(path)
        return true
      },
    }),
  )
  expect(await (await fetch(`${proxy.origin}/weir/v1/x`)).text()).toBe('/weir/v1/x')
})
