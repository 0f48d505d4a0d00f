// oxlint-disable typescript/no-unsafe-type-assertion -- fakes and events of Node's are not typed more narrowly
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { verdictServer, type VerdictServer, type VerdictServerOptions } from '../kit/verdict-server.ts'

vi.mock('../../src/core/families.ts', async () => await import('../kit/fake-families.ts'))

const HOLD = { do: 'hold', until: 30_000 } as const
let server: VerdictServer
const sockets: Socket[] = []

async function start(options: Partial<VerdictServerOptions> = {}): Promise<void> {
  server = await verdictServer({ verdict: HOLD, ...options })
}

async function raw(text: string | Buffer): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  sockets.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

function release(slot: number): void {
  server.enactor.directive({ do: 'release', call: slot, reason: 'recovered', upstream: 0 })
}

function isNextHop(url: string | undefined): boolean {
  return url?.includes('a=1&__weir=') === true
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close()
})

describe('a held call on a real connection', () => {
  it('gets its answer on release, with a body of 1 MiB unchanged', async () => {
    await start()
    const body = randomBytes(1 << 20)
    const arrived = server.arrival()
    const answer = fetch(server.url, { method: 'POST', body })
    const call = await arrived
    await vi.waitFor(() => expect(server.enactor.heldBytes).toBe(body.length), { interval: 2 })
    release(call.slot)
    expect(sha256(new Uint8Array(await (await answer).arrayBuffer()))).toBe(sha256(body))
    expect([server.enactor.held, server.enactor.heldBytes]).toEqual([0, 0])
  })

  it('of a chunked body too large for the buffer is refused and its client can read the answer', async () => {
    await start({ hold: { bodyBytes: 1000, totalBytes: 5000, hopMs: 60_000 } })
    const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`
    const socket = await raw(
      `POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n${chunk}${chunk}`,
    )
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 503 .*\r\n/)
    expect(answer.toString()).toContain('weir-reason: hold-memory')
    expect(server.enactor.heldBytes).toBe(0)
  })

  it.each([0, 256 * 1024])(
    'that leaves with %i bytes sent is noticed at once and never forwarded',
    async (bytes) => {
      await start()
      const arrived = server.arrival()
      const head = `POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: ${bytes}\r\n\r\n`
      const socket = await raw(Buffer.concat([Buffer.from(head), randomBytes(bytes)]))
      await arrived
      await vi.waitFor(() => expect(server.enactor.heldBytes).toBe(bytes), { interval: 2 })
      socket.destroy()
      await vi.waitFor(() => expect(server.enactor.held).toBe(0), { timeout: 500, interval: 2 })
      expect(server.enactor.heldBytes).toBe(0)
      expect(server.settled).toMatchObject([{ kind: 'cancelled', status: 0 }])
      expect(server.calls[0]!.phase).toBe('ended')
    },
  )

  it('among a hundred that all leave keeps nothing', async () => {
    await start()
    const body = Buffer.alloc(128 * 1024)
    const head = Buffer.from(`POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n`)
    const clients = await Promise.all(
      Array.from({ length: 100 }, async () => await raw(Buffer.concat([head, body]))),
    )
    await vi.waitFor(() => expect(server.enactor.heldBytes).toBe(100 * body.length), {
      timeout: 5000,
      interval: 5,
    })
    for (const client of clients) client.destroy()
    await vi.waitFor(() => expect(server.enactor.held).toBe(0), { timeout: 1000, interval: 5 })
    expect([server.enactor.heldBytes, server.settled.length, server.ended.length]).toEqual([0, 100, 100])
  })

  it('is asked for its body with 100 when it waits for that', async () => {
    await start()
    const arrived = server.arrival()
    const socket = await raw(
      'POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n',
    )
    const [interim] = (await once(socket, 'data')) as [Buffer]
    expect(interim.toString()).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    const call = await arrived
    release(call.slot)
    socket.write('hi')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 OK[^]*hi/)
  })

  it('ends with 408 when its body stops', async () => {
    await start({ bodyIdleMs: 30 })
    const socket = await raw('POST /x HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 408 /)
    expect(server.settled).toMatchObject([{ kind: 'cancelled', status: 408 }])
  })
})

describe('a held upgrade', () => {
  const UPGRADE = 'GET /x HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'

  it('goes on with its socket on release', async () => {
    await start()
    const arrived = server.arrival()
    const socket = await raw(UPGRADE)
    release((await arrived).slot)
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 101 /)
  })

  it.each(['end', 'resetAndDestroy'] as const)('whose client leaves by %s is noticed', async (leave) => {
    await start()
    const arrived = server.arrival()
    const socket = await raw(UPGRADE)
    await arrived
    socket[leave]()
    await vi.waitFor(() => expect(server.enactor.held).toBe(0), { timeout: 500, interval: 2 })
    expect(server.settled).toMatchObject([{ kind: 'cancelled', status: 0 }])
  })
})

describe('the 307 hold chain under a real client', () => {
  const CHAIN = {
    family: 'genai-js',
    hold: { bodyBytes: 1 << 20, totalBytes: 1 << 24, hopMs: 1000 },
  } as const

  it('is followed by fetch with body and credentials, and stays one call', async () => {
    await start(CHAIN)
    const arrived = server.arrival()
    const body = randomBytes(100_000).toString('base64')
    const headers = { authorization: 'Bearer k', 'content-type': 'application/json' }
    const answer = fetch(`${server.url}?a=1`, { method: 'POST', body, headers })
    const call = await arrived
    await vi.waitFor(() => expect(isNextHop(call.request.url)).toBe(true), { timeout: 3000, interval: 10 })
    expect(server.enactor.held).toBe(1)
    release(call.slot)
    const response = await answer
    expect([response.status, response.redirected, server.calls.length]).toEqual([200, true, 1])
    expect((await response.text()) === body).toBe(true)
    expect(call.request.headers.authorization).toBe('Bearer k')
    expect([server.enactor.held, server.enactor.heldBytes, server.settled.length]).toEqual([0, 0, 0])
  })
})

describe('a drain', () => {
  it('answers every held call before its end; no connection is cut', async () => {
    await start()
    const answers = Array.from(
      { length: 50 },
      async () => await fetch(server.url, { method: 'POST', body: 'x' }),
    )
    await vi.waitFor(() => expect(server.enactor.held).toBe(50), { timeout: 3000, interval: 5 })
    server.enactor.drain(performance.now() + 20)
    const responses = await Promise.all(answers)
    expect(responses.every((response) => response.status === 503)).toBe(true)
    expect(responses.every((response) => response.headers.get('connection') === 'close')).toBe(true)
    const slots = responses.map((response) => response.headers.get('retry-after-ms'))
    expect(new Set(slots).size).toBeGreaterThan(40)
    expect(server.enactor.held).toBe(0)
  })
})
