/**
 * The life of a call, read top to bottom: framing -> route -> identify -> decide (core) -> enact -> forward -> settle.
 * Each stage is a file of its own; this one only passes the call from one to the next.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Coordinator } from '../core/coordinator.ts'
import type { Millis, Outcome, UpstreamIndex } from '../core/model.ts'
import type { Call } from './call.ts'
import type { CallTable } from './call-table.ts'
import type { Enactor } from './enact.ts'
import { checkFraming, type FramingLimits } from './framing.ts'
import type { createIdentifier } from './identify.ts'
import type { ListenerEvents } from './listener.ts'
import type { ProxyLog } from './proxy-log.ts'
import type { ProxyStats } from './proxy-stats.ts'
import type { Responder } from './respond.ts'
import type { createRouter } from './route.ts'
import { asksForWebSocket } from './upgrade.ts'
import type { Upstream } from './upstreams.ts'

/** Serves a path of Weir's own (`/weir/...`); false = it knows none such. */
export type OwnHandler = (request: IncomingMessage, response: ServerResponse, path: string) => boolean

export interface LifecycleRoom {
  readonly core: Coordinator
  readonly clock: () => Millis
  readonly route: ReturnType<typeof createRouter>
  readonly identify: ReturnType<typeof createIdentifier>
  readonly upstreams: readonly Upstream[]
  readonly calls: CallTable
  /** Late, since the enactor needs `end`. */
  readonly enactor: () => Enactor
  readonly respond: Responder
  readonly framing: FramingLimits
  readonly stats: ProxyStats
  readonly own: OwnHandler
  readonly log: ProxyLog
  readonly onCallEnd: (call: Call, outcome: Outcome) => void
}

export interface Lifecycle extends ListenerEvents {
  /** Frees the slot of a call that has had its outcome; idempotent. */
  readonly end: (call: Call) => void
  /** Points a call at another member of its group. */
  readonly reroute: (call: Call, upstream: UpstreamIndex) => void
}

export function createLifecycle(room: LifecycleRoom): Lifecycle {
  const { core, clock, route, identify, upstreams, calls, enactor, respond, stats } = room

  function refuse(target: ServerResponse | Duplex, status: number, reason: string): void {
    stats.refused[status] = (stats.refused[status] ?? 0) + 1
    respond.early(target, status, reason)
  }

  function request(incoming: IncomingMessage, response: ServerResponse): void {
    begin(incoming, response, incoming.socket)
  }

  function upgrade(incoming: IncomingMessage, socket: Socket): void {
    begin(incoming, undefined, socket)
  }

  function begin(incoming: IncomingMessage, response: ServerResponse | undefined, socket: Socket): void {
    const target = response ?? socket
    const fault = checkFraming(incoming, room.framing)
    if (fault !== undefined) {
      refuse(target, fault.status, fault.reason)
      return
    }
    const method = incoming.method ?? 'GET'
    if (method === 'OPTIONS' && incoming.url === '*' && response !== undefined) {
      respond.present(response)
      return
    }
    const routed = route(method, incoming.url ?? '')
    if (!routed.ok) {
      refuse(target, routed.status, routed.reason)
      return
    }
    if (routed.own) {
      if (response === undefined || !room.own(incoming, response, routed.path)) {
        refuse(target, 404, 'There is nothing at this path of Weir itself.')
      }
      return
    }
    if (routed.ticket !== '' && response !== undefined) {
      const isResumed = enactor().resume(routed.ticket, incoming, response)
      if (isResumed) return
    }
    const upstream = upstreams[routed.upstream]!
    const at = clock()
    const arrival = calls.nextArrival()
    const facts = identify(incoming.rawHeaders, socket.remoteAddress ?? '', routed, method, arrival)
    arrival.at = at
    arrival.upstream = upstream.index
    const call = calls.begin(incoming, response, socket, upstream, routed.target, at, facts)
    stats.openCalls += 1
    let isOpen = false
    try {
      const verdict = core.arrive(arrival)
      isOpen = verdict.do === 'pass' || verdict.do === 'hold'
      enactor().verdict(call, verdict)
    } catch (error) {
      crashed(call, isOpen, error)
    }
  }

  /** A fault of ours costs the one call that met it (promises.md row 74), and no open place in the core. */
  function crashed(call: Call, isOpen: boolean, error: unknown): void {
    room.log.error({ call: call.id, err: error }, 'a stage of the call failed')
    if (call.phase === 'ended') return
    call.outcome = 'upstream-error'
    respond.refuse(call, 'internal')
    const { slot, bytesIn, bytesOut } = call
    if (isOpen)
      core.settle({ call: slot, at: clock(), kind: 'ignored', status: 0, answered: false, bytesIn, bytesOut })
    end(call)
  }

  function acceptsUpgrade(incoming: IncomingMessage): boolean {
    if (!asksForWebSocket(incoming)) return false
    const routed = route(incoming.method ?? 'GET', incoming.url ?? '')
    return routed.ok && !routed.own && upstreams[routed.upstream]?.options.websocket === true
  }

  function end(call: Call): void {
    if (!calls.end(call)) return
    stats.openCalls -= 1
    room.onCallEnd(call, outcomeOf(call))
  }

  function reroute(call: Call, upstream: UpstreamIndex): void {
    const chosen = upstreams[upstream]
    if (chosen === undefined || chosen === call.upstream) return
    // The rest of the path stays; only the base is the other member's.
    call.target = chosen.basePath + call.target.slice(call.upstream.basePath.length)
    call.upstream = chosen
  }

  return { request, upgrade, acceptsUpgrade, end, reroute }
}

/** As the core counts it, from what the call has been through. */
function outcomeOf(call: Call): Outcome {
  if (call.outcome !== undefined) return call.outcome
  if (call.verdict?.do === 'shed') return 'shed'
  if (call.verdict?.do === 'defer') return 'deferred'
  const isAnswered = call.response === undefined ? call.status !== 0 : call.response.headersSent
  return isAnswered ? 'hold-expired' : 'client-gone'
}
