/**
 * The life of a call, read top to bottom: framing -> route -> identify -> decide (core) -> enact -> forward -> settle.
 * Each stage is a file of its own; this one only passes the call from one to the next.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Coordinator } from '../core/coordinator.ts'
import type { Millis, Outcome, Trust, UpstreamIndex } from '../core/model.ts'
import type { Call } from './call.ts'
import type { CallTable } from './call-table.ts'
import { understandsDeferral, type CallDeferrer } from './defer-call.ts'
import type { Enactor } from './enact.ts'
import { checkFraming, type FramingLimits } from './framing.ts'
import type { createIdentifier } from './identify.ts'
import { becomeRun, endRun, type InnerRun } from './inner-calls.ts'
import type { ListenerEvents } from './listener.ts'
import type { ProxyLog } from './proxy-log.ts'
import type { ProxyStats } from './proxy-stats.ts'
import type { Responder } from './respond.ts'
import type { createRouter, OwnRoute } from './route.ts'
import { asksForWebSocket } from './upgrade.ts'
import type { Upstream } from './upstreams.ts'

/** Who asks for a path of Weir's own, as it would be named as the caller of an upstream. */
export interface OwnCaller {
  readonly agent: string
  readonly trust: Trust
  /** '' = none was said. */
  readonly workflow: string
  /** The path with its query as sent, without an identity before it. */
  readonly target: string
}

/**
 * Serves a path of Weir's own (`/weir/...`); false = it knows none such. Several are one after the other: the first
 * that says true has it. It reads the body itself, within bounds and a time of its own.
 */
export type OwnHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  caller: OwnCaller,
) => boolean

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
  /** Late, since it needs `end`; undefined = nothing is answered later. */
  readonly deferrer: () => CallDeferrer | undefined
  readonly runOf: (socket: Duplex) => InnerRun | undefined
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
      if (response === undefined || !serveOwn(incoming, response, routed)) {
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
    const deferrer = room.deferrer()
    if (deferrer !== undefined) {
      const run = room.runOf(socket)
      if (run !== undefined) becomeRun(call, run)
      else if (defers(call, deferrer)) return
    }
    decide(call)
  }

  /** Takes a call whose client asked to be answered later: it arrives at the core when it is run, and only then. */
  function defers(call: Call, deferrer: CallDeferrer): boolean {
    const { arrival } = call
    const isAsked = arrival.deferrable
    const mayDefer = deferrer.mayDefer(call)
    arrival.deferrable = mayDefer && understandsDeferral(arrival.family)
    if (!isAsked || !mayDefer) return false
    deferrer.take(call, () => {
      // It waits for its answer after all, from now.
      arrival.at = clock()
      arrival.deferrable = false
      call.phase = 'new'
      decide(call)
    })
    return true
  }

  function decide(call: Call): void {
    let isOpen = false
    try {
      const verdict = core.arrive(call.arrival)
      isOpen = verdict.do === 'pass' || verdict.do === 'hold'
      enactor().verdict(call, verdict)
    } catch (error) {
      crashed(call, isOpen, error)
    }
  }

  function serveOwn(incoming: IncomingMessage, response: ServerResponse, routed: OwnRoute): boolean {
    // Filled and read at once: no call is begun with it.
    const arrival = calls.nextArrival()
    identify(
      incoming.rawHeaders,
      incoming.socket.remoteAddress ?? '',
      routed,
      incoming.method ?? 'GET',
      arrival,
    )
    const { agent, trust, workflow } = arrival
    return room.own(incoming, response, routed.path, { agent, trust, workflow, target: routed.target })
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
    const outcome = outcomeOf(call)
    if (call.run !== undefined) endRun(call.run, call, outcome, clock())
    room.onCallEnd(call, outcome)
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
