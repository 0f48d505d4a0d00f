/** Voice and other two-way connections: the OpenAI SDK by wss, `ws` as it drives it, the WebSocket of the platform. */
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import OpenAI from 'openai'
import { OpenAIRealtimeWS } from 'openai/realtime/ws'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { WebSocket as Ws, WebSocketServer } from 'ws'
import { eventually, startWorld } from './kit.ts'
import type { World } from './kit.ts'
import { tlsFiles } from '../kit/tls-files.ts'
import { TEST_CERT } from '../kit/tls-fixture.ts'

let upstream: WebSocketServer
let requests: IncomingMessage[]
let world: World

/** Echoes, under the subprotocol that was asked for first. */
beforeEach(async () => {
  requests = []
  upstream = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  upstream.on('connection', (socket, request) => {
    requests.push(request)
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await new Promise((resolve) => upstream.once('listening', resolve))
  world = await startWorld({ upstreamUrl: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}` })
})
afterEach(async () => {
  await world.close()
  for (const socket of upstream.clients) socket.terminate()
  await new Promise((resolve) => upstream.close(resolve))
})

const opened = (socket: Ws): Promise<void> =>
  new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
const heard = (socket: Ws): Promise<string> =>
  new Promise((resolve) => {
    socket.once('message', (data: Buffer) => resolve(data.toString()))
  })

describe('a realtime connection', () => {
  it('as the OpenAI SDK opens it reaches the upstream with its path and key, and speaks both ways', async () => {
    const socket = new Ws(`${world.base('voice.call-1').replace('http', 'ws')}/v1/realtime?model=m`, {
      headers: { authorization: 'Bearer sk-voice', 'user-agent': 'OpenAI/JS 7.55.0' },
      perMessageDeflate: false,
    })
    await opened(socket)
    socket.send('hello')
    expect(await heard(socket)).toBe('hello')
    expect(requests[0]?.url).toBe('/v1/realtime?model=m')
    expect(requests[0]?.headers.authorization).toBe('Bearer sk-voice')
    expect(world.app.core.agents(performance.now(), 5)[0]?.agent).toBe('voice')
    expect(world.app.proxy.stats.upgrades).toBe(1)
    socket.close()
    expect(await eventually(() => world.app.proxy.stats.upgrades === 0 && world.seen.length === 1)).toBe(true)
    expect(world.seen[0]).toMatchObject({ agent: 'voice', workflow: 'call-1', outcome: 'passed' })
  })

  it('of a browser keeps its subprotocol and is known by the key in it, which Weir never shows', async () => {
    const protocols = ['realtime', 'openai-insecure-api-key.sk-browser']
    const socket = new WebSocket(`${world.base().replace('http', 'ws')}/v1/realtime`, protocols)
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve)
      socket.addEventListener('error', reject)
    })
    expect(socket.protocol).toBe('realtime')
    expect(requests[0]?.headers['sec-websocket-protocol']).toContain('sk-browser')
    const agent = world.app.core.agents(performance.now(), 5)[0]?.agent
    expect(agent).toMatch(/^key-[0-9a-f]+$/)
    socket.close()
    expect(await eventually(() => world.app.proxy.stats.upgrades === 0)).toBe(true)
  })

  it('is told 1001 when Weir goes away', async () => {
    const socket = new Ws(`${world.base('voice').replace('http', 'ws')}/v1/realtime`)
    await opened(socket)
    const closed = new Promise<number>((resolve) => {
      socket.once('close', resolve)
    })
    await world.app.stop()
    expect(await closed).toBe(1001)
  })

  it('that leaves without a word leaves the upstream too', async () => {
    const socket = new Ws(`${world.base('voice').replace('http', 'ws')}/v1/realtime`)
    await opened(socket)
    expect(upstream.clients.size).toBe(1)
    socket.terminate()
    expect(await eventually(() => upstream.clients.size === 0)).toBe(true)
    expect(await eventually(() => world.app.core.read(performance.now()).open === 0)).toBe(true)
  })
})

describe('the realtime client of the OpenAI SDK, which speaks wss alone', () => {
  async function startSecure(): Promise<World> {
    await world.close()
    const files = await tlsFiles()
    const [{ cert, key }] = files.options.certificates as [{ cert: string; key: string }]
    world = await startWorld({
      upstreamUrl: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`,
      config: `tls: { cert: ${cert}, key: ${key} }\n`,
    })
    await files.close()
    return world
  }

  it('holds a conversation through Weir, on the port that plain calls use too', async () => {
    const { port } = await startSecure()
    const client = new OpenAI({
      apiKey: 'sk-voice',
      baseURL: `http://localhost:${port}/@voice.call-1/openai/v1`,
    })
    const realtime = new OpenAIRealtimeWS({ model: 'gpt-realtime', options: { ca: TEST_CERT } }, client)
    expect(realtime.url.protocol).toBe('wss:')
    await opened(realtime.socket as unknown as Ws)
    const answered = new Promise((resolve, reject) => {
      realtime.on('event', resolve)
      realtime.on('error', reject)
    })
    realtime.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(50_000) })
    expect(await answered).toEqual({ type: 'input_audio_buffer.append', audio: 'A'.repeat(50_000) })
    expect(requests[0]?.url).toBe('/v1/realtime?model=gpt-realtime')
    expect(requests[0]?.headers.authorization).toBe('Bearer sk-voice')
    expect(requests[0]?.headers['user-agent']).toMatch(/^OpenAI\/JS /)
    expect(await (await fetch(`${world.origin}/openai/v1/models`)).status).toBe(426)
    realtime.close()
    expect(await eventually(() => world.app.proxy.stats.upgrades === 0 && world.seen.length === 2)).toBe(true)
    expect(world.seen.map(({ agent, outcome }) => [agent, outcome])).toContainEqual(['voice', 'passed'])
  })

  it('is told 1001 when Weir goes away', async () => {
    const { port } = await startSecure()
    const client = new OpenAI({ apiKey: 'sk-voice', baseURL: `http://localhost:${port}/openai/v1` })
    const realtime = new OpenAIRealtimeWS({ model: 'm', options: { ca: TEST_CERT } }, client)
    await opened(realtime.socket as unknown as Ws)
    const closed = new Promise<number>((resolve) => {
      realtime.socket.once('close', resolve)
    })
    await world.app.stop()
    expect(await closed).toBe(1001)
  })
})
