/**
 * One call while it is inside Weir: what every stage of its life may read, and which stage owns which field.
 * Stages: listener -> lifecycle -> identify -> route -> decide (core) -> enact -> forward -> settle -> respond.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Arrival, CallSlot, Millis, Outcome, UpstreamIndex, Verdict } from '../core/model.ts'
import type { Place } from '../identity/places.ts'
import type { InnerRun } from './inner-calls.ts'
import type { Problem } from './refusals.ts'
import type { Upstream } from './upstreams.ts'

/** Where the call is in its life; each phase has exactly one owner who may end it. */
export type Phase = 'new' | 'deferring' | 'held' | 'between-hops' | 'forwarding' | 'answering' | 'ended'

/** What identify reads from a request besides the arrival; none of it concerns the core. */
export interface CallFacts {
  /** `Expect: 100-continue`: the body comes when it is asked for. */
  readonly expectContinue: boolean
  readonly upgrade: 'websocket' | ''
  /** `TE: trailers`. */
  readonly wantsTrailers: boolean
  /** `Prefer: wait=N`; -1 = not said. */
  readonly preferWaitMs: Millis
}

/** Carries a call to its upstream and back, and ends it exactly once. */
export interface Carrier {
  /** The connection of the client has closed, before or after the end of the call. */
  closed(): void
  /** The client's message broke its own framing: told apart from a connection that broke. */
  clientFault(problem: 'request_timeout' | 'bad_request_body'): void
  /** Weir is about to close: an answer that has not begun is given by Weir. One that has may still end by itself. */
  goingAway(): void
}

export interface Call {
  /** The core's number of this call; see `core/model.ts`. */
  readonly slot: CallSlot
  /** `weir-call-id`: unique, random, safe to show. */
  readonly id: string
  readonly arrivedAt: Millis
  /** On a redirect hop the same call continues on a new request and response: hence not readonly. */
  request: IncomingMessage
  /** Absent for an upgrade, which has only its socket. */
  response: ServerResponse | undefined
  socket: Duplex
  upstream: Upstream
  /** Origin-form target for the upstream, byte for byte what the client sent after the prefix. */
  target: string
  /** A reusable record of metadata for the core. */
  readonly arrival: Arrival
  verdict: Verdict | undefined
  phase: Phase
  /** The body, when it was read while held (or is being read); undefined = still on the request stream. */
  body: Buffer | undefined
  heldSince: Millis
  heldMs: Millis
  sentAt: Millis
  firstByteAt: Millis
  bytesIn: number
  bytesOut: number
  status: number
  /** What the request says besides the metadata for the core. */
  facts?: CallFacts | undefined
  /** Whoever carries the call to its upstream, from `forward` on. */
  exchange?: Carrier | undefined
  /** Set by whoever ends a call in a way that its verdict does not tell. */
  outcome?: Outcome | undefined
  /** The core has counted it as deferred, of this upstream: it is told when that did not come about. */
  deferredOf?: UpstreamIndex | undefined
  /** It is the run of a call that was deferred; undefined = an agent waits for it. */
  run?: InnerRun | undefined
  /** One of the places of an agent whose open calls are bounded; given back when the call has ended. */
  place?: Place | undefined
  /** Why the exchange had no whole answer. */
  problem?: Problem | undefined
}
