/**
 * The life of a call, read top to bottom: framing -> route -> gate -> identify -> decide (core) -> enact -> forward ->
 * settle.
 * Each stage is a file of its own; this one only passes the call from one to the next.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Coordinator } from '../core/coordinator.ts'
import type { Millis, Outcome, Trust, UpstreamIndex } from '../core/model.ts'
import { ASKED, OWN, type Checked, type Gate } from '../identity/gate.ts'
import type { Place } from '../identity/places.ts'
import type { Refusal } from '../identity/refusal.ts'
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
import type { createRouter, OwnRoute, UpstreamRoute } from './route.ts'
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
  /** Undefined = nobody has to show anything. */
  readonly gate: Gate | undefined
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
  const { core, clock, route, identify, gate, upstreams, calls, enactor, respond, stats } = room

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
    if (!routed.own && routed.ticket !== '' && response !== undefined) {
      const isResumed = enactor().resume(routed.ticket, incoming, response)
      if (isResumed) return
    }
    if (gate === undefined) take(incoming, response, socket, routed, '')
    else passBy(gate, incoming, response, socket, routed)
  }

  /** Lets those go on who are known, or need not be; a token that was never seen takes a moment. */
  function passBy(
    keeper: Gate,
    incoming: IncomingMessage,
    response: ServerResponse | undefined,
    socket: Socket,
    routed: UpstreamRoute | OwnRoute,
  ): void {
    const settle = (checked: Checked): void => {
      if (typeof checked === 'string') take(incoming, response, socket, routed, checked)
      else deny(response ?? socket, checked, routed)
    }
    // The agent of a run was known when its call was accepted.
    const checked = room.runOf(socket) === undefined ? keeper.check(incoming, placeOf(routed)) : ''
    if (!(checked instanceof Promise)) settle(checked)
    else void checked.then((late) => (socket.destroyed ? undefined : settle(late)))
  }

  function deny(target: ServerResponse | Duplex, refusal: Refusal, routed: UpstreamRoute | OwnRoute): void {
    const { status } = refusal
    stats.refused[status] = (stats.refused[status] ?? 0) + 1
    respond.denied(target, refusal, routed.own ? 'problem' : upstreams[routed.upstream]!.options.dialect)
  }

  /** @param verified the agent that proved its name; '' = nobody did */
  function take(
    incoming: IncomingMessage,
    response: ServerResponse | undefined,
    socket: Socket,
    routed: UpstreamRoute | OwnRoute,
    verified: string,
  ): void {
    if (routed.own) {
      if (response === undefined || !serveOwn(incoming, response, routed, verified)) {
        refuse(response ?? socket, 404, 'There is nothing at this path of Weir itself.')
      }
      return
    }
    const upstream = upstreams[routed.upstream]!
    const method = incoming.method ?? 'GET'
    const at = clock()
    const arrival = calls.nextArrival()
    const address = socket.remoteAddress ?? ''
    const facts = identify(incoming.rawHeaders, address, routed, method, arrival, verified)
    arrival.at = at
    arrival.upstream = upstream.index
    let place: Place | undefined
    if (gate !== undefined && room.runOf(socket) === undefined) {
      const admitted = gate.admit(arrival)
      if (admitted !== undefined && 'status' in admitted) {
        deny(response ?? socket, admitted, routed)
        return
      }
      place = admitted
    }
    const call = calls.begin(incoming, response, socket, upstream, routed.target, at, facts)
    if (place !== undefined) call.place = place
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

  function serveOwn(
    incoming: IncomingMessage,
    response: ServerResponse,
    routed: OwnRoute,
    verified: string,
  ): boolean {
    // Filled and read at once: no call is begun with it.
    const arrival = calls.nextArrival()
    identify(
      incoming.rawHeaders,
      incoming.socket.remoteAddress ?? '',
      routed,
      incoming.method ?? 'GET',
      arrival,
      verified,
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
    call.place?.leave()
    const outcome = outcomeOf(call)
    const { deferredOf } = call
    if (deferredOf !== undefined && outcome !== 'deferred') core.notDeferred(deferredOf, outcome)
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

/** A proxy that asks about a request sends its head as it is: `admit/authz.ts`. */
const ASKING_PATH = '/weir/v1/authz/'

function placeOf(routed: UpstreamRoute | OwnRoute): UpstreamIndex {
  if (!routed.own) return routed.upstream
  return routed.path.startsWith(ASKING_PATH) ? ASKED : OWN
}

/** As the core counts it, from what the call has been through. */
function outcomeOf(call: Call): Outcome {
  if (call.outcome !== undefined) return call.outcome
  if (call.verdict?.do === 'shed') return 'shed'
  if (call.verdict?.do === 'defer') return 'deferred'
  const isAnswered = call.response === undefined ? call.status !== 0 : call.response.headersSent
  return isAnswered ? 'hold-expired' : 'client-gone'
}
