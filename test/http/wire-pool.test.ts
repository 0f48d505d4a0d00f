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
    [8900, 1],
    [17_900, 2],
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
