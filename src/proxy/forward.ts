/** Carries a decided call to its upstream: the entry to `exchange.ts`, and what all exchanges share. */
import type { Coordinator } from '../core/coordinator.ts'
import type { Millis, UpstreamIndex } from '../core/model.ts'
import type { Call } from './call.ts'
import { Exchange } from './exchange.ts'
import { grpcSockets } from './grpc-refusal.ts'
import type { IdleSweep } from './idle-sweep.ts'
import type { Injected } from './injected-credentials.ts'
import type { ProxyOptions } from './options.ts'
import type { ProxyLog } from './proxy-log.ts'
import type { ProxyStats } from './proxy-stats.ts'
import type { Problem, Responder } from './respond.ts'
import { isSigned } from './sign-call.ts'
import type { Tunnels } from './upgrade.ts'

export interface ForwardRoom {
  readonly core: Coordinator
  readonly clock: () => Millis
  /** Wall clock in ms, for instants in headers. */
  readonly wall: () => number
  readonly respond: Responder
  readonly calls: { end(call: Call): void }
  readonly sweep: IdleSweep
  readonly limits: ProxyOptions['limits']
  readonly tunnels: Tunnels
  readonly stats: ProxyStats
  readonly log: ProxyLog
  /** Weir's pseudonym in `Via`. */
  readonly viaName: string
  readonly stripped: ReadonlySet<string>
  /** What is put on the calls of an upstream; absent = nothing on any. */
  readonly injected?: ((upstream: UpstreamIndex) => Injected | undefined) | undefined
}

export function createForwarder(room: ForwardRoom): (call: Call) => void {
  function refuse(call: Call, problem: Problem): void {
    call.outcome = 'upstream-error'
    room.respond.refuse(call, problem)
    const { slot, bytesIn, bytesOut } = call
    const at = room.clock()
    room.core.settle({ call: slot, at, kind: 'ignored', status: 0, answered: false, bytesIn, bytesOut })
    room.calls.end(call)
  }

  return (call) => {
    if (call.upstream.inFlight >= call.upstream.options.maxInFlight) refuse(call, 'too_many_in_flight')
    else if (call.response === undefined && room.tunnels.isFull) refuse(call, 'too_many_upgrades')
    else if (call.upstream.breaksSignatures && isSigned(call.request.rawHeaders))
      refuse(call, 'signature_broken')
    else if (grpcSockets.has(call.socket)) refuse(call, 'grpc_not_forwarded')
    else new Exchange(call, room).start()
  }
}
