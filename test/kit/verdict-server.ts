// oxlint-disable typescript/no-unsafe-type-assertion -- a scripted core stands in for the real one
/** A real listener on port 0 whose calls get scripted verdicts: the enactor and responder without the rest of Weir. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Coordinator } from '../../src/core/coordinator.ts'
import type { Settlement, Verdict } from '../../src/core/model.ts'
import type { Call } from '../../src/proxy/call.ts'
import { createEnactor, type Enactor } from '../../src/proxy/enact.ts'
import { ticketOf } from '../../src/proxy/hop-tickets.ts'
import { createResponder } from '../../src/proxy/respond.ts'
import { fakeCall } from './fake-call.ts'

export interface VerdictServer {
  readonly port: number
  readonly url: string
  readonly enactor: Enactor
  readonly calls: Call[]
  readonly settled: Settlement[]
  readonly ended: Call[]
  /** The next call that reaches the verdict. */
  arrival(): Promise<Call>
  close(): Promise<void>
}

export interface VerdictServerOptions {
  readonly family?: string
  readonly hold?: { bodyBytes: number; totalBytes: number; hopMs: number }
  readonly bodyIdleMs?: number
  /** Relative times: `until` and `slotAt` count from the arrival. */
  readonly verdict: Partial<Verdict>
}

function clock(): number {
  return performance.now()
}

/** What is released is answered 200 with the body that was held. */
export async function verdictServer(options: VerdictServerOptions): Promise<VerdictServer> {
  const calls: Call[] = []
  const settled: Settlement[] = []
  const ended: Call[] = []
  const waiting: ((call: Call) => void)[] = []
  const respond = createResponder({ clock, wall: Date.now, log: { debug: () => {} } })
  const enactor = createEnactor({
    core: { settle: (settlement: Settlement) => settled.push(settlement) } as unknown as Coordinator,
    clock,
    wall: Date.now,
    forward: (call) => {
      call.phase = 'forwarding'
      if (call.response === undefined) call.socket.end('HTTP/1.1 101 Switching Protocols\r\n\r\n')
      else call.response.end(call.body)
    },
    respond,
    calls: {
      bySlot: (slot) => calls[slot],
      end: (call) => {
        if (call.phase !== 'ended') ended.push(call)
        call.phase = 'ended'
      },
    },
    hold: options.hold ?? { bodyBytes: 1 << 20, totalBytes: 256 << 20, hopMs: 60_000 },
    ...(options.bodyIdleMs === undefined ? {} : { bodyIdleMs: options.bodyIdleMs }),
  })

  function arrive(request: IncomingMessage, response: ServerResponse | undefined, socket: Duplex): void {
    const length = request.headers['content-length']
    const isChunked = request.headers['transfer-encoding'] !== undefined
    const { call } = fakeCall({
      slot: calls.length,
      at: clock(),
      family: options.family ?? 'openai-js',
      bytes: isChunked ? -1 : Number(length ?? 0),
    })
    Object.assign(call, { request, response, socket, target: request.url ?? '' })
    calls.push(call)
    const { until = 0, slotAt = 0 } = options.verdict
    enactor.verdict(call, {
      do: 'pass',
      reason: 'drift',
      rule: -1,
      upstream: 0,
      shadow: undefined,
      ...options.verdict,
      until: until === 0 ? 0 : clock() + until,
      slotAt: slotAt === 0 ? 0 : clock() + slotAt,
    })
    waiting.shift()?.(call)
  }

  const server = createServer()
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const ticket = ticketOf(request.url ?? '')
    if (ticket === '' || !enactor.resume(ticket, request, response)) arrive(request, response, request.socket)
  }
  server.on('request', onRequest)
  server.on('checkContinue', onRequest)
  server.on('upgrade', (request, socket) => arrive(request, undefined, socket))
  await new Promise<void>((listening) => {
    server.listen(0, '127.0.0.1', listening)
  })
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `http://127.0.0.1:${port}/openai/v1/x`,
    enactor,
    calls,
    settled,
    ended,
    arrival: async () =>
      await new Promise((resolve) => {
        waiting.push(resolve)
      }),
    close: async () => {
      await new Promise<void>((closed) => {
        server.close(() => closed())
        server.closeAllConnections()
      })
    },
  }
}
