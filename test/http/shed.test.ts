// oxlint-disable typescript/no-unsafe-type-assertion -- fakes and events of Node's are not typed more narrowly
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { verdictServer, type VerdictServer } from '../kit/verdict-server.ts'

vi.mock('../../src/core/families.ts', async () => await import('../kit/fake-families.ts'))

const SHED = { do: 'shed', reason: 'storm', slotAt: 2500 } as const
let server: VerdictServer
const sockets: Socket[] = []

async function raw(text: string): Promise<Socket> {
  const socket = connect(server.port, '127.0.0.1')
  sockets.push(socket)
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server.close()
})

describe('a shed on a real connection', () => {
  it('is 429 with the slot in both units and a body that the SDK reads', async () => {
    server = await verdictServer({ verdict: SHED })
    const response = await fetch(server.url, { method: 'POST', body: '{}' })
    expect(response.status).toBe(429)
    expect(response.headers.get('retry-after')).toBe('3')
    expect(Number(response.headers.get('retry-after-ms'))).toBeGreaterThan(2000)
    expect(Number(response.headers.get('retry-after-ms'))).toBeLessThanOrEqual(2500)
    expect(response.headers.get('x-should-retry')).toBe('true')
    expect(response.headers.get('weir-source')).toBe('proxy')
    expect(await response.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'retry_storm' } })
    expect([server.ended.length, server.settled.length]).toEqual([1, 0])
  })

  it('without a slot is 403 and not to be retried', async () => {
    server = await verdictServer({ verdict: { do: 'shed', reason: 'forbidden' } })
    const response = await fetch(server.url)
    expect([response.status, response.headers.get('x-should-retry')]).toEqual([403, 'false'])
    expect(response.headers.get('retry-after')).toBeNull()
  })

  it('reveals nothing of host, path, query or code', async () => {
    server = await verdictServer({ verdict: SHED })
    const response = await fetch(`${server.url}/canary-path?q=canary-query`, {
      headers: { 'x-a': 'canary-header' },
    })
    const said = `${await response.text()} ${JSON.stringify([...response.headers])}`
    expect(said).not.toMatch(/canary|127\.0\.0\.1|node:|\.ts/)
  })

  it('does not ask for a body that waits for 100, and closes', async () => {
    server = await verdictServer({ verdict: SHED })
    const socket = await raw(
      'POST /x HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n',
    )
    const text = Buffer.concat((await socket.toArray()) as Buffer[]).toString()
    expect(text).toMatch(/^HTTP\/1\.1 429 /)
    expect(text.toLowerCase()).toContain('connection: close')
  })

  it('reaches a client that is still sending, on a connection that stays good', async () => {
    server = await verdictServer({ verdict: SHED })
    const body = Buffer.alloc(200_000, 'x')
    for (let time = 0; time < 3; time += 1) {
      expect((await fetch(server.url, { method: 'POST', body })).status).toBe(429)
    }
  })

  it('does not read an endless upload: the connection ends within about a second', async () => {
    server = await verdictServer({ verdict: SHED })
    const socket = await raw('POST /x HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n')
    const [answer] = (await once(socket, 'data')) as [Buffer]
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 429 /)
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`
    const sending = setInterval(() => socket.write(chunk), 5)
    const from = performance.now()
    // A reset is an end as well, and `once` would throw it.
    await new Promise<void>((closed) => {
      socket.once('close', () => closed())
    })
    clearInterval(sending)
    expect(performance.now() - from).toBeLessThan(2000)
  })

  it('of an upgrade is a whole answer on the bare socket', async () => {
    server = await verdictServer({ verdict: SHED })
    const socket = await raw(
      'GET /x HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
    )
    const text = Buffer.concat((await socket.toArray()) as Buffer[]).toString()
    expect(text).toMatch(/^HTTP\/1\.1 429 Too Many Requests\r\n/)
    expect(text).toContain('retry-after: 3\r\n')
    expect(JSON.parse(text.split('\r\n\r\n')[1]!)).toMatchObject({ error: { code: 'retry_storm' } })
  })
})
