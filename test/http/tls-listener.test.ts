/** TLS on the agents' listener: which certificate is shown, whose is asked for, and what a change of files does. */
import { once } from 'node:events'
import { request as httpsRequest, Agent } from 'node:https'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { expect, test } from 'vitest'
import { readCertificates } from '../../src/proxy/tls-certificates.ts'
import { keepCertificates } from '../../src/proxy/tls-keeper.ts'
import type { ListenerTls } from '../../src/proxy/options.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { eventually, kept } from '../kit/kept.ts'
import { startProxy, type TestProxy, type TestProxyOptions } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { otherPair, tlsFiles, type TlsFiles } from '../kit/tls-files.ts'
import {
  CLIENT_CERT,
  CLIENT_KEY,
  OTHER_CERT,
  OTHER_KEY,
  STRANGER_CERT,
  STRANGER_KEY,
  TEST_CERT,
} from '../kit/tls-fixture.ts'

interface Started {
  readonly proxy: TestProxy
  readonly upstream: HttpUpstream
  readonly files: TlsFiles
}

async function start(
  tls: Partial<ListenerTls> = {},
  options: Partial<TestProxyOptions> = {},
): Promise<Started> {
  const upstream = kept(await HttpUpstream.start())
  const files = kept(await tlsFiles(tls))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, tls: files.options, ...options }))
  return { proxy, upstream, files }
}

/** The name that the listener shows in its certificate. */
async function shown(port: number, options: ConnectionOptions = {}): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  kept({ close: () => void socket.destroy() })
  await once(socket, 'secureConnect')
  const name = socket.getPeerCertificate().subject.CN
  socket.destroy()
  return String(name)
}

type Asked = { status: number } | { error: string }

async function ask(port: number, options: object = {}): Promise<Asked> {
  const asked = { port, host: 'localhost', path: '/api/x', ca: TEST_CERT, agent: false, ...options }
  return new Promise((resolve) => {
    const request = httpsRequest(asked, (response) => {
      response.resume()
      response.once('end', () => resolve({ status: response.statusCode ?? 0 }))
    })
    request.once('error', (error: NodeJS.ErrnoException) => resolve({ error: error.code ?? error.message }))
    request.end()
  })
}

test('a client that trusts the certificate is served, and one that does not sends nothing', async () => {
  const { proxy, upstream } = await start()
  expect(await ask(proxy.port)).toEqual({ status: 200 })
  expect(await ask(proxy.port, { ca: undefined })).toMatchObject({ error: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  expect(upstream.seen.length).toBe(1)
  await eventually(() => proxy.proxy.stats.connections === 0)
})

test('many calls go over one connection', async () => {
  const { proxy } = await start()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  kept({ close: () => agent.destroy() })
  for (let n = 0; n < 20; n++) expect(await ask(proxy.port, { agent })).toEqual({ status: 200 })
  expect(proxy.proxy.stats.connectionsAccepted).toBe(1)
})

test('of several certificates the one is shown that is valid for the name, else the first', async () => {
  const files = kept(await tlsFiles())
  const certificates = [...files.options.certificates, await otherPair(files.dir)]
  const { proxy } = await start({ certificates })
  expect(await shown(proxy.port)).toBe('localhost')
  expect(await shown(proxy.port, { servername: 'localhost' })).toBe('localhost')
  expect(await shown(proxy.port, { servername: 'other.test' })).toBe('other.test')
  expect(await shown(proxy.port, { servername: 'deep.other.test' })).toBe('other.test')
  expect(await shown(proxy.port, { servername: 'unknown.test' })).toBe('localhost')
  expect(proxy.proxy.certificates.map(({ name }) => name)).toEqual(['localhost', 'other.test'])
})

test('no version below the configured one is spoken', async () => {
  const { proxy } = await start({ minVersion: 'TLSv1.3' })
  expect(await ask(proxy.port)).toEqual({ status: 200 })
  expect(await ask(proxy.port, { maxVersion: 'TLSv1.2' })).toMatchObject({ error: expect.any(String) })
  await eventually(() => proxy.proxy.stats.tlsFailures === 1 && proxy.proxy.stats.connections === 0)
})

test('a reload shows the new certificate, and connections that stand go on', async () => {
  const { proxy, files } = await start()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  kept({ close: () => agent.destroy() })
  expect(await ask(proxy.port, { agent })).toEqual({ status: 200 })
  await files.write('cert', OTHER_CERT)
  await files.write('key', OTHER_KEY)
  expect(proxy.proxy.reloadCertificates()).toBe(true)
  expect(await shown(proxy.port)).toBe('other.test')
  expect(await shown(proxy.port, { servername: 'localhost' })).toBe('other.test')
  // A connection made anew would not trust what is shown now.
  expect(await ask(proxy.port, { agent })).toEqual({ status: 200 })
  expect(proxy.proxy.stats.connectionsAccepted).toBe(3)
})

test('a pair that does not belong together is refused, and the last good one stays', async () => {
  const { proxy, files } = await start()
  await files.write('cert', OTHER_CERT)
  expect(proxy.proxy.reloadCertificates()).toBe(false)
  expect(await shown(proxy.port)).toBe('localhost')
  const told = proxy.logged.find((line) => line.startsWith('certificates refused'))
  expect(told).toContain('tls.key is not the key of the first certificate')
  expect(told).not.toContain('PRIVATE')
})

test('files are followed: a pair written in two steps is taken when both are there', async () => {
  const files = kept(await tlsFiles())
  const lines: string[] = []
  const note = (_fields: object, message: string): void => void lines.push(message)
  const keeper = keepCertificates(files.options, {
    log: { debug: note, info: note, warn: note, error: note },
    wall: () => Date.now(),
    adopt: () => {},
    lookEveryMs: 15,
  })
  kept({ close: () => keeper.stop() })
  await files.write('cert', OTHER_CERT)
  await files.write('key', OTHER_KEY)
  await eventually(() => keeper.certificates[0]?.name === 'other.test')
  expect(lines.at(-1)).toBe('certificates loaded')
})

test('a certificate that ends within two weeks is told once a day, and one that has ended as an error', async () => {
  const files = kept(await tlsFiles())
  const told: string[] = []
  const read = readCertificates(files.options)
  if (!read.ok) throw new Error('the fixture is broken')
  const { notAfter } = read.certificates[0]
  let now = notAfter - 10 * 86_400_000
  const keeper = keepCertificates(files.options, {
    log: {
      debug: () => {},
      info: () => {},
      warn: (_fields, message) => told.push(`warn: ${message}`),
      error: (_fields, message) => told.push(`error: ${message}`),
    },
    wall: () => now,
    adopt: () => {},
    lookEveryMs: 5,
  })
  kept({ close: () => keeper.stop() })
  await new Promise((resolve) => setTimeout(resolve, 40))
  expect(told).toEqual(['warn: a certificate ends soon'])
  now = notAfter + 1
  await eventually(() => told.length === 2)
  expect(told[1]).toBe('error: a certificate has ended: clients refuse it')
})

test.each([
  ['a file that is not there', (f: TlsFiles) => ({ cert: join(f.dir, 'none.crt') }), /none\.crt.*ENOENT/],
  [
    'a key in place of the certificate',
    (f: TlsFiles) => ({ cert: join(f.dir, 'tls.key') }),
    /tls\.key is refused/,
  ],
  [
    'a certificate in place of the key',
    (f: TlsFiles) => ({ key: join(f.dir, 'tls.crt') }),
    /holds no private key/,
  ],
])('%s is one clear problem', async (_what, wrong, sentence) => {
  const files = kept(await tlsFiles())
  const pair = { ...files.options.certificates[0]!, ...wrong(files) }
  const read = readCertificates({ ...files.options, certificates: [pair] })
  expect(read.ok).toBe(false)
  const problems = read.ok ? [] : read.problems
  expect(problems.length).toBe(1)
  expect(problems[0]?.found).toMatch(sentence)
  expect(problems[0]?.allowed).toContain('PEM')
})

test('with required client certificates only verified ones get through', async () => {
  const { proxy, upstream } = await start({ clientCert: 'required' })
  expect(await ask(proxy.port)).toMatchObject({ error: expect.any(String) })
  expect(await ask(proxy.port, { cert: STRANGER_CERT, key: STRANGER_KEY })).toMatchObject({
    error: expect.any(String),
  })
  expect(upstream.seen).toEqual([])
  expect(await ask(proxy.port, { cert: CLIENT_CERT, key: CLIENT_KEY })).toEqual({ status: 200 })
  await eventually(() => proxy.proxy.stats.tlsFailures === 2 && proxy.proxy.stats.connections === 0)
})

test('the certificate of a client is reachable on the socket of its request, over HTTP/1.1 and HTTP/2', async () => {
  const seen: unknown[] = []
  const { proxy } = await start(
    { clientCert: 'optional' },
    {
      http2: { streams: 10 },
      own: (request, response) => {
        const socket = request.socket as TLSSocket
        const certificate = socket.getPeerCertificate()
        seen.push([socket.authorized, certificate.subject?.CN, certificate.subjectaltname])
        response.end()
        return true
      },
    },
  )
  const mine = { cert: CLIENT_CERT, key: CLIENT_KEY, path: '/weir/who' }
  expect(await ask(proxy.port, mine)).toEqual({ status: 200 })
  expect(await ask(proxy.port, { path: '/weir/who' })).toEqual({ status: 200 })
  const { connect } = await import('node:http2')
  const session = connect(`https://localhost:${proxy.port}`, {
    ca: TEST_CERT,
    cert: CLIENT_CERT,
    key: CLIENT_KEY,
  })
  kept({ close: () => session.destroy() })
  const stream = session.request({ ':path': '/weir/who' })
  stream.resume()
  await once(stream, 'close')
  const agent7 = [true, 'agent-7', 'URI:spiffe://weir.test/agent/seven']
  expect(seen).toEqual([agent7, [false, undefined, undefined], agent7])
})

test('an optional certificate may be missing, but not be of a stranger', async () => {
  const { proxy, upstream } = await start({ clientCert: 'optional' })
  expect(await ask(proxy.port)).toEqual({ status: 200 })
  expect(await ask(proxy.port, { cert: CLIENT_CERT, key: CLIENT_KEY })).toEqual({ status: 200 })
  expect(await ask(proxy.port, { cert: STRANGER_CERT, key: STRANGER_KEY })).toMatchObject({
    error: expect.any(String),
  })
  expect(upstream.seen.length).toBe(2)
  expect(proxy.proxy.stats.tlsFailures).toBe(1)
})

test('half a ClientHello, and then silence, has as long as a handshake', async () => {
  const { proxy } = await start({ handshakeTimeoutMs: 100 })
  const client = kept(await RawClient.open(proxy.port))
  client.send(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]))
  await client.closed()
  await eventually(() => proxy.proxy.stats.connections === 0)
  expect(proxy.proxy.stats.tlsFailures).toBe(1)
})

test('a ClientHello that is none ends its connection alone', async () => {
  const { proxy } = await start()
  const client = kept(await RawClient.open(proxy.port))
  client.send(Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0]), Buffer.alloc(0x4000, 0xff)]))
  await client.closed()
  await eventually(() => proxy.proxy.stats.tlsFailures === 1)
  expect(await ask(proxy.port)).toEqual({ status: 200 })
})

test('a handshake in progress does not keep others waiting, nor a drain', async () => {
  const { proxy } = await start({}, { drainDelayMs: 0, drainMs: 150 })
  for (let n = 0; n < 20; n++) kept(await RawClient.open(proxy.port)).send(Buffer.from([0x16, 3]))
  expect(await ask(proxy.port)).toEqual({ status: 200 })
  const begin = performance.now()
  await proxy.proxy.drain()
  expect(performance.now() - begin).toBeLessThan(1500)
  expect(proxy.proxy.stats.connections).toBe(0)
})

test('an answer that is cut is no whole answer over TLS either', async () => {
  const upstream = kept(await HttpUpstream.start({ reset: true, after: 'half' }))
  const files = kept(await tlsFiles())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, tls: files.options }))
  for (const version of ['1.1', '1.0']) {
    const socket = connectTls({ port: proxy.port, host: 'localhost', ca: TEST_CERT })
    kept({ close: () => void socket.destroy() })
    await once(socket, 'secureConnect')
    let text = ''
    let ending = ''
    socket.setEncoding('latin1').on('data', (more: string) => (text += more))
    socket.on('error', () => (ending = 'error'))
    socket.on('end', () => (ending ||= 'end'))
    socket.write(`GET /api/x HTTP/${version}\r\nHost: a\r\n\r\n`)
    await once(socket, 'close').catch(() => {})
    expect(text).toContain('half')
    // HTTP/1.1 misses the last chunk; HTTP/1.0 has nothing but the way in which the connection ends.
    expect(text.endsWith('0\r\n\r\n')).toBe(false)
    expect(ending).not.toBe('')
  }
  await eventually(() => proxy.core.open === 0 && proxy.proxy.stats.connections === 0)
})
