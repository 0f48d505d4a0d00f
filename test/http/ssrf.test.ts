/** No request makes Weir dial what the operator did not write down (promises.md row 48, G2). */
import dns from 'node:dns'
import { isIP, Socket } from 'node:net'
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { kept } from '../kit/kept.ts'
import { startProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream } from '../kit/raw-upstream.ts'
import { framingAttacks } from './corpus/framing-attacks.ts'
import { hopAttacks } from './corpus/hop-attacks.ts'
import { targetAttacks } from './corpus/target-attacks.ts'

const CASES = 200
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** What anything in this process dialled, the clients of the test included. */
let dialled: Set<string>

beforeEach(() => {
  dialled = new Set()
  // oxlint-disable-next-line typescript/unbound-method -- called with its own `this` below
  const { connect } = Socket.prototype
  vi.spyOn(Socket.prototype, 'connect').mockImplementation(function (this: Socket, ...args: any[]): Socket {
    // Node's own `net.connect` passes its normalised arguments: a list of options and callback.
    const [first] = Array.isArray(args[0]) ? args[0] : args
    dialled.add(`${first.host ?? 'localhost'}:${first.port ?? first.path}`)
    return Reflect.apply(connect, this, args)
  })
  const { lookup } = dns
  vi.spyOn(dns, 'lookup').mockImplementation(((host: string, ...rest: any[]) => {
    if (isIP(host) === 0) dialled.add(`lookup of ${host}`)
    return Reflect.apply(lookup, dns, [host, ...rest])
  }) as never)
})
afterEach(() => {
  vi.restoreAllMocks()
})

const EVIL = [
  '169.254.169.254',
  '[::ffff:169.254.169.254]',
  '[fd00:ec2::254]',
  'metadata.google.internal',
  '0x7f.1',
  '2130706433',
  'localhost:22',
  '127.0.0.1:1',
  'evil.example',
]
const evil = fc.constantFrom(...EVIL)

const target = fc.oneof(
  evil.map((host) => `http://${host}/latest/meta-data/`),
  evil.map((host) => `//${host}/api/x`),
  evil.map((host) => `/api//${host}/`),
  evil.map((host) => `/api/@${host}/x`),
  evil.map((host) => `/@${host}/api/x`),
  evil.map((host) => `/api/http://${host}/`),
  evil.map((host) => `/api/http:%2f%2f${host}`),
  evil.map((host) => `/api?url=http://${host}/&__weir=http://${host}/`),
  evil.map((host) => `/api@${host}/x`),
  evil.map((host) => `/api:80@${host}`),
  evil.map((host) => `/api\\@${host}`),
  evil.map((host) => `/${host}/x`),
  evil.map((host) => host),
  fc.constantFrom('/api', '/api/', '/api/x', '/other/x', '*', '/'),
)
const name = fc.constantFrom(
  'Host',
  'X-Forwarded-Host',
  'X-Forwarded-For',
  'X-Forwarded-Proto',
  'Forwarded',
  'X-Original-URL',
  'X-Rewrite-URL',
  'X-Host',
  'Proxy-Connection',
  'Referer',
  'Origin',
  'Location',
  'Destination',
  'Weir-Upstream',
  'Weir-Agent',
  'Weir-Callback',
  'Prefer',
  'Via',
  'X-Envoy-Original-Dst-Host',
)
const value = fc.oneof(
  evil,
  evil.map((host) => `http://${host}/`),
  evil.map((host) => `host=${host};proto=http`),
  evil.map((host) => `respond-async, callback="http://${host}/"`),
)
const request = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'OPTIONS', 'CONNECT', 'TRACE', 'HEAD'),
  target,
  host: fc.option(evil, { nil: 'weir.local' }),
  fields: fc.array(fc.tuple(name, value), { maxLength: 4 }),
})

/** Sends, and waits until the answer has come or the connection is closed. */
async function ask(port: number, text: string): Promise<void> {
  const client = await RawClient.open(port)
  client.send(text)
  await client.until((received) => received.includes('\r\n\r\n')).catch(() => client.closed())
  client.close()
}

test('the addresses that are dialled are those of the configured upstreams, whatever is asked for', async () => {
  const [api, other] = [kept(await RawUpstream.start(OK)), kept(await RawUpstream.start(OK))]
  const proxy = kept(await startProxy({ upstreams: { api: api.url, other: other.url } }))
  await fc.assert(
    fc.asyncProperty(request, async (asked) => {
      const lines = asked.fields.map(([field, text]) => `${field}: ${text}\r\n`)
      const head = `${asked.method} ${asked.target} HTTP/1.1\r\nHost: ${asked.host}\r\n${lines.join('')}`
      await ask(proxy.port, `${head}Connection: close\r\n\r\n`)
    }),
    { numRuns: CASES },
  )
  for (const { bytes } of [...targetAttacks, ...hopAttacks, ...framingAttacks]) {
    await ask(proxy.port, bytes.replaceAll('{port}', String(proxy.port)))
  }
  // What is configured is dialled all the same.
  for (const path of ['/api/x', '/other/x']) {
    await ask(proxy.port, `GET ${path} HTTP/1.1\r\nHost: weir.local\r\n\r\n`)
  }
  const own = [api, other, proxy].map(({ port }) => `127.0.0.1:${port}`)
  expect([...dialled].toSorted()).toEqual(own.toSorted())
})

test('nothing that an upstream answers is followed', async () => {
  const hosts = EVIL.map((host) => `http://${host}/`)
  const upstream = kept(await RawUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  for (const url of hosts) {
    for (const status of [301, 302, 303, 307, 308, 200, 201, 202, 401, 407, 503]) {
      upstream.answer((connection) => {
        connection.socket.once('data', () => {
          connection.send(
            `HTTP/1.1 ${status} Go\r\nlocation: ${url}\r\nrefresh: 0;url=${url}\r\nalt-svc: h2="${url}"\r\n` +
              `link: <${url}>; rel=preload\r\ncontent-location: ${url}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`,
          )
        })
      })
      await ask(proxy.port, 'GET /api/x HTTP/1.1\r\nHost: weir.local\r\n\r\n')
    }
  }
  expect([...dialled].toSorted()).toEqual([upstream, proxy].map(({ port }) => `127.0.0.1:${port}`).toSorted())
})
