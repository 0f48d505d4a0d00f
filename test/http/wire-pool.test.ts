/** The connections of the wire client: how many, which is used, who waits, and what is left at the end. */
import type { Duplex } from 'node:stream'
import { expect, test } from 'vitest'
import type { Dispatcher } from 'undici'
import type { UpstreamRequest } from '../../src/proxy/upstream-client.ts'
import { createConnect } from '../../src/proxy/wire/connect.ts'
import { WirePool } from '../../src/proxy/wire/wire-pool.ts'
import { eventually, kept } from '../kit/kept.ts'
import { RawUpstream, type RawConnection } from '../kit/raw-upstream.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

interface Told extends Dispatcher.DispatchHandler {
  readonly events: string[]
  controller?: Dispatcher.DispatchController
  socket?: Duplex
}

function told(): Told {
  const events: string[] = []
  return {
    events,
    onRequestStart(controller) {
      this.controller = controller
      events.push('start')
    },
    onRequestUpgrade(_controller, status, _headers, socket) {
      this.socket = socket
      events.push(`upgrade ${status}`)
    },
    onResponseStart: (_controller, status) => void events.push(`head ${status}`),
    onResponseData: (_controller, chunk) => void events.push(`data ${chunk.toString('latin1')}`),
    onResponseEnd: () => void events.push('end'),
    onResponseError: (_controller, error) =>
      void events.push(`error ${'code' in error ? String(error.code) : ''}`),
  }
}

function poolFor(url: URL, options: { connections?: number; clock?: () => number } = {}): WirePool {
  const { connections = 8, clock = () => performance.now() } = options
  const connect = createConnect({ origin: url, timeoutMs: 5000, ca: undefined })
  const pool = new WirePool({ origin: url, connections, keepAliveMs: 4000, connect, clock })
  return kept(Object.assign(pool, { close: () => pool.destroy() }))
}

function ask(pool: WirePool, request: Partial<UpstreamRequest> = {}): Told {
  const handler = told()
  pool.dispatch({ method: 'GET', path: '/', headers: [], body: null, isUpgrade: false, ...request }, handler)
  return handler
}

function over({ events }: Told): boolean {
  return events.includes('end') || events.some((event) => event.startsWith('error'))
}

/** Answers each request when it is told to. */
async function patientUpstream(): Promise<RawUpstream> {
  return kept(await RawUpstream.start(() => {}))
}

function heads({ text }: RawConnection): number {
  return text.split('\r\n\r\n').length - 1
}

test('a connection is used again, the newest of them first', async () => {
  const upstream = await patientUpstream()
  const pool = poolFor(upstream.url)
  const both = [ask(pool), ask(pool)]
  await eventually(() => upstream.connections.length === 2)
  const [first, second] = upstream.connections
  await eventually(() => heads(first!) === 1 && heads(second!) === 1)
  first!.send(OK)
  await eventually(() => both.some(over))
  second!.send(OK)
  await eventually(() => both.every(over))
  const third = ask(pool)
  await eventually(() => heads(second!) === 2)
  second!.send(OK)
  await eventually(() => over(third))
  expect(third.events).toEqual(['start', 'head 200', 'data ok', 'end'])
  expect(upstream.connections.length).toBe(2)
})

test('whoever finds no connection waits in order, and gets the first that is free', async () => {
  const upstream = await patientUpstream()
  const pool = poolFor(upstream.url, { connections: 1 })
  const calls = [ask(pool, { path: '/1' }), ask(pool, { path: '/2' }), ask(pool, { path: '/3' })]
  const connection = await upstream.connection()
  await eventually(() => heads(connection) === 1)
  // Given up while it waits: it is passed over.
  calls[1]!.onRequestStart = (controller) => controller.abort(new Error('gone'))
  connection.send(OK)
  await eventually(() => heads(connection) === 2)
  expect(connection.text).toContain('GET /3 ')
  expect(connection.text).not.toContain('GET /2 ')
  connection.send(OK)
  await eventually(() => over(calls[2]!))
  expect(upstream.connections.length).toBe(1)
})

test('a connection that is refused is the news of the call that has waited longest, and of no other', async () => {
  const upstream = await RawUpstream.start(() => {})
  const { url } = upstream
  await upstream.close()
  const pool = poolFor(url, { connections: 1 })
  const calls = [ask(pool), ask(pool)]
  await eventually(() => calls.every(over))
  expect(calls.map(({ events }) => events)).toEqual([['error ECONNREFUSED'], ['error ECONNREFUSED']])
})

test('a connection is not used for longer than its server keeps it', async () => {
  let now = 0
  const upstream = kept(
    await RawUpstream.start((connection) =>
      connection.socket.on('data', () => {
        connection.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=10\r\n\r\n')
      }),
    ),
  )
  const pool = poolFor(upstream.url, { clock: () => now })
  for (const [at, connections] of [
    [0, 1],
    [7900, 1],
    [16_000, 2],
  ] as const) {
    now = at
    const call = ask(pool)
    await eventually(() => over(call))
    expect(upstream.connections.length).toBe(connections)
  }
})

test('a WebSocket has a connection of its own, which is a stream, with what came behind the head', async () => {
  const upstream = await patientUpstream()
  const pool = poolFor(upstream.url, { connections: 1 })
  const plain = ask(pool)
  await eventually(() => upstream.connections.length === 1)
  const upgrade = ask(pool, { isUpgrade: true })
  await eventually(() => heads(upstream.connections[0]!) === 1)
  upstream.connections[0]!.send(OK)
  await eventually(() => upstream.connections.length === 2 && heads(upstream.connections[1]!) === 1)
  expect(plain.events.at(-1)).toBe('end')
  upstream.connections[1]!.send('HTTP/1.1 101 Switching\r\nupgrade: websocket\r\n\r\nframes')
  await eventually(() => upgrade.socket !== undefined)
  let read = ''
  upgrade.socket!.on('data', (bytes: Buffer) => (read += bytes.toString('latin1')))
  upgrade.socket!.resume()
  await eventually(() => read === 'frames')
  upgrade.socket!.write('back')
  await eventually(() => upstream.connections[1]!.text.endsWith('back'))
  // It is none of the pool's any more: its place is free.
  const next = ask(pool)
  await eventually(() => upstream.connections.length === 3 && heads(upstream.connections[2]!) === 1)
  upstream.connections[2]!.send(OK)
  await eventually(() => over(next))
  upgrade.socket!.destroy()
})

test('what nobody reads is not read, and nothing of it is lost', async () => {
  const upstream = await patientUpstream()
  const pool = poolFor(upstream.url)
  const call = ask(pool)
  let body = ''
  call.onResponseData = (controller, chunk) => {
    body += chunk.toString('latin1')
    controller.pause()
    setImmediate(() => controller.resume())
  }
  const connection = await upstream.connection()
  const chunks = Array.from({ length: 40 }, (_, index) => `${index}`.padStart(2, '0'))
  connection.send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
  connection.send(`${chunks.map((text) => `2\r\n${text}\r\n`).join('')}0\r\n\r\n`)
  await eventually(() => over(call))
  expect(body).toBe(chunks.join(''))
})

/** Answers by path, with 65,536 bytes in one read for `/whole`: what is behind it is not in the same read. */
async function poisonous(): Promise<RawUpstream> {
  const start = 'HTTP/1.1 200 OK\r\ncontent-length: 65000\r\n\r\n'
  const bytes = 65_536 - start.length
  const whole = start.replace('65000', String(bytes)) + 'x'.repeat(bytes)
  return kept(
    await RawUpstream.start((connection) => {
      connection.socket.on('data', (request: Buffer) => {
        const path = request.toString('latin1').split(' ')[1]
        if (path === '/whole') connection.send(whole + POISON)
        else if (path === '/head') connection.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
        else if (path === '/fin') connection.socket.end(OK)
        else connection.send(OK)
      })
    }),
  )
}

const POISON = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison'

test.each([
  ['an answer behind the first, in a read of its own', '/whole', 'GET'],
  ['a body behind the head that is all of an answer', '/head', 'HEAD'],
  ['an end that nobody announced', '/fin', 'GET'],
])('%s is not for the next call on the connection', async (_what, path, method) => {
  const upstream = await poisonous()
  const pool = poolFor(upstream.url, { connections: 1 })
  const calls = [ask(pool, { path, method }), ask(pool)]
  await eventually(() => calls.every(over))
  expect(calls[0]!.events.at(-1)).toBe('end')
  expect(calls[1]!.events).toEqual(['start', 'head 200', 'data ok', 'end'])
  expect(upstream.connections.length).toBe(2)
})

test('an upgrade that is answered otherwise leaves no connection: its server may believe that it switched', async () => {
  const upstream = await poisonous()
  const pool = poolFor(upstream.url, { connections: 1 })
  const calls = [ask(pool, { isUpgrade: true }), ask(pool)]
  await eventually(() => calls.every(over))
  expect(upstream.connections.length).toBe(2)
})

test('a call that is given up while it waits leaves the line', async () => {
  const upstream = await patientUpstream()
  const pool = poolFor(upstream.url, { connections: 1 })
  const first = ask(pool)
  const connection = await upstream.connection()
  await eventually(() => heads(connection) === 1)
  const handler = told()
  const request = { method: 'GET', path: '/', headers: [], body: null, isUpgrade: false }
  pool.dispatch(request, handler)?.abort(new Error('gone'))
  connection.send(OK)
  await eventually(() => over(first))
  const last = ask(pool)
  await eventually(() => heads(connection) === 2)
  connection.send(OK)
  await eventually(() => over(last))
  expect(handler.events).toEqual([])
})

function boom(): never {
  throw new Error('boom')
}

test('a handler that throws costs its own call, and no connection for good', async () => {
  const upstream = await poisonous()
  const pool = poolFor(upstream.url, { connections: 1 })
  const calls = (['onRequestStart', 'onResponseStart', 'onResponseData', 'onResponseEnd'] as const).map(
    (name) => {
      const call = ask(pool)
      call[name] = boom
      return call
    },
  )
  const sound = ask(pool)
  await eventually(() => [...calls, sound].every(over))
  expect(calls.map(({ events }) => events.at(-1))).toEqual(Array(4).fill('error '))
  expect(sound.events.at(-1)).toBe('end')
})

test('a request that cannot be written costs no connection', async () => {
  const upstream = await poisonous()
  const pool = poolFor(upstream.url)
  const call = ask(pool, { headers: ['transfer-encoding', 'chunked'] })
  expect(call.events).toEqual(['error UND_ERR_INVALID_ARG'])
  expect(upstream.connections).toEqual([])
})

test('a client that is closed ends what is open, and takes nothing more', async () => {
  const upstream = await patientUpstream()
  const pool = poolFor(upstream.url, { connections: 1 })
  const calls = [ask(pool), ask(pool)]
  await eventually(() => upstream.connections.length === 1 && heads(upstream.connections[0]!) === 1)
  await pool.destroy()
  calls.push(ask(pool))
  expect(calls.map(({ events }) => events.at(-1))).toEqual(Array(3).fill('error UND_ERR_DESTROYED'))
  await eventually(() => upstream.connections[0]!.socket.readableEnded)
})
