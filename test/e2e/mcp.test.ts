/** A whole MCP session of the real SDK on both sides of Weir: session, event streams, progress, end. */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventually, pause, startWorld } from './kit.ts'
import type { World } from './kit.ts'

const STEPS = 4

let world: World
let http: Server
let client: Client
let transport: StreamableHTTPClientTransport
let methods: string[]

/** One tool that reports its progress; answers are event streams, as the SDK does by default. */
function toolServer(): McpServer {
  const server = new McpServer({ name: 'tools', version: '1' })
  server.registerTool('count', { description: 'Counts slowly' }, async ({ _meta, sendNotification }) => {
    for (let progress = 1; progress <= STEPS; progress++) {
      const progressToken = _meta?.progressToken ?? 0
      await sendNotification({ method: 'notifications/progress', params: { progressToken, progress } })
      await pause(40)
    }
    return { content: [{ type: 'text' as const, text: 'counted' }] }
  })
  return server
}

beforeEach(async () => {
  methods = []
  const server = toolServer()
  const upstream = new StreamableHTTPServerTransport({ sessionIdGenerator: () => randomUUID() })
  await server.connect(upstream as Parameters<typeof server.connect>[0])
  http = createServer((request, response) => {
    methods.push(request.method ?? '')
    void upstream.handleRequest(request, response)
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  world = await startWorld({
    upstream: 'tools',
    upstreamUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
  })
  client = new Client({ name: 'e2e', version: '1' })
  transport = new StreamableHTTPClientTransport(new URL(`${world.base()}/mcp`))
  await client.connect(transport as Parameters<typeof client.connect>[0])
})
afterEach(async () => {
  await client.close()
  await world.close()
  http.closeAllConnections()
  await new Promise((resolve) => http.close(resolve))
})

describe('an MCP session', () => {
  it('lists and calls tools, hears progress while the tool still works, and is ended by its client', async () => {
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['count'])
    const heard: number[] = []
    const result = await client.callTool({ name: 'count' }, undefined, {
      onprogress: ({ progress }) => heard.push(Math.round(progress)),
    })
    expect(result.content).toEqual([{ type: 'text', text: 'counted' }])
    expect(heard).toEqual([1, 2, 3, 4])
    await transport.terminateSession()
    expect(methods).toContain('DELETE')
  })

  it('is one agent and one workflow from its second request on, by a name that does not show its id', async () => {
    await client.listTools()
    await client.callTool({ name: 'count' })
    const session = transport.sessionId ?? ''
    expect(await eventually(() => world.seen.some(({ agent }) => agent.startsWith('mcp-')))).toBe(true)
    const inSession = world.seen.filter(({ agent }) => agent.startsWith('mcp-'))
    expect(new Set(inSession.map(({ agent }) => agent)).size).toBe(1)
    expect(new Set(inSession.map(({ workflow }) => workflow)).size).toBe(1)
    expect(JSON.stringify(world.app.core.agents(performance.now(), 10))).not.toContain(session)
    expect(world.seen.every(({ family }) => family === 'mcp' || family === 'node-fetch')).toBe(true)
  })

  it('keeps its listening stream open without counting it as work in flight', async () => {
    expect(await eventually(() => methods.includes('GET'))).toBe(true)
    const reading = world.app.core.read(performance.now())
    expect(reading.open).toBe(1)
    expect(reading.upstreams[0]?.inFlight).toBe(0)
    await client.close()
    expect(await eventually(() => world.app.core.read(performance.now()).open === 0)).toBe(true)
  })
})
