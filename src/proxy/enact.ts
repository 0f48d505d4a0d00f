/**
 * Makes verdicts real: passes, holds, sheds. The core decides and counts; this file owns every call from a hold to
 * its end, and lets go of it exactly once: to `forward`, or to an answer and `calls.end`.
 *
 * What the core is told: a directive needs no reply. A held call that ends without one is settled as `cancelled`:
 * status 0 = its client left, otherwise the status that Weir itself answered (no memory, a slow body, the backstop).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Coordinator } from '../core/coordinator.ts'
import { familyOf } from '../core/families.ts'
import type { CallSlot, Directive, Millis, Reason, UpstreamIndex, Verdict } from '../core/model.ts'
import type { Call } from './call.ts'
import { delayProcessing, type HeldCall, holdCall, nextDue, RETURN_WITHIN_MS } from './held-call.ts'
import { discard, fits, HeldBody, type HoldMemory } from './hold.ts'
import { hopLocation, HopTickets } from './hop-tickets.ts'
import type { ProxyOptions } from './options.ts'
import type { Responder } from './respond.ts'
import { hopLength, hopsOf, wantsProcessing } from './silence.ts'
import { isGone, watch } from './watch.ts'

export interface Enactor {
  /** Acts on the verdict of an arrival. Afterwards the call is forwarding, held, or ended. */
  verdict(call: Call, verdict: Verdict): void
  /** Acts on `release` and `expire`; anything else, or a call that is not held, is ignored. */
  directive(directive: Directive): void
  /** The client closed before an answer. Ignored unless the call is held on that very connection. */
  clientGone(call: Call): void
  /** A 307 hop came back. False = not one of ours: treat it as a new call, without its ticket. */
  resume(ticket: string, request: IncomingMessage, response: ServerResponse): boolean
  /** No more hops; whoever is still held at `until` is answered 503 with a slot. */
  drain(until: Millis): void
  readonly heldBytes: number
  readonly held: number
}

export interface EnactorOptions {
  readonly core: Coordinator
  readonly clock: () => Millis
  readonly wall: () => number
  /** Takes over a call; `call.body`, if set, is the whole body. */
  readonly forward: (call: Call) => void
  readonly respond: Responder
  readonly calls: {
    bySlot(slot: CallSlot): Call | undefined
    /** Frees the slot; idempotent by phase. */
    end(call: Call): void
  }
  readonly hold: ProxyOptions['hold']
  /** Points the call at another member of its group. Without it all calls go where they arrived. */
  readonly reroute?: (call: Call, upstream: UpstreamIndex) => void
  /** Takes a call that may be answered later, or hands it back. Without it a deferral is a slot. */
  readonly defer?: (call: Call, decline: () => void) => void
  /** Silence allowed in a request body; as `limits.bodyIdleMs`. */
  readonly bodyIdleMs?: Millis
  /** 0 <= x < 1; spreads those who are refused without a slot of the core's. */
  readonly random?: () => number
}

/** As nginx `client_body_timeout` is used by gateways: half its 60 s, for the memory is Weir's. */
const DEFAULT_BODY_IDLE_MS: Millis = 30_000
/** Slots of the enactor's own lie between these; the core knows nothing of the memory that was missing. */
const OWN_SLOT_MS = { from: 1000, to: 10_000 } as const

export function createEnactor(options: EnactorOptions): Enactor {
  const { core, clock, forward, respond, calls, hold, reroute } = options
  const bodyIdleMs = options.bodyIdleMs ?? DEFAULT_BODY_IDLE_MS
  const random = options.random ?? Math.random
  const memory: HoldMemory = { bytes: 0, totalBytes: hold.totalBytes, bodyBytes: hold.bodyBytes }
  const holds = new Map<CallSlot, HeldCall>()
  const tickets = new HopTickets<HeldCall>()
  let drainUntil = Infinity

  function verdict(call: Call, decided: Verdict): void {
    call.verdict = decided
    switch (decided.do) {
      case 'pass':
        route(call, decided.upstream)
        forward(call)
        return
      case 'hold':
        begin(call, decided)
        return
      case 'defer':
        call.deferredOf = decided.upstream
        if (options.defer === undefined) refuse(call, decided)
        // The core is done with it; what nobody can keep is a slot instead.
        else options.defer(call, () => refuse(call, { ...decided, do: 'shed' }))
        return
      case 'shed':
        refuse(call, decided)
        return
    }
  }

  function refuse(call: Call, decided: Verdict): void {
    call.verdict = decided
    respond.verdict(call, decided)
    calls.end(call)
  }

  function route(call: Call, upstream: UpstreamIndex): void {
    if (upstream !== call.arrival.upstream) reroute?.(call, upstream)
  }

  function begin(call: Call, decided: Verdict): void {
    const now = clock()
    const family = familyOf(call.arrival.family)
    call.phase = 'held'
    call.heldSince = now
    const hops = { left: hopsOf(call, family), ms: hopLength(family, hold.hopMs) }
    const held = holdCall(call, decided, now, hops)
    held.drainAt = drainUntil
    holds.set(call.slot, held)
    if (isGone(call)) {
      leave(held)
      return
    }
    if (hops.left === 0 && wantsProcessing(call, family, decided.until - now)) delayProcessing(held, now)
    held.unwatch = watch(call, () => leave(held))
    if (call.response !== undefined && call.body === undefined) {
      if (!fits(call.arrival.bytes, memory, call.arrival.priority)) {
        outgrown(held)
        return
      }
      // The verdict is not a shed: the body is wanted, and can only be read once it has been asked for.
      if (awaitsContinue(call.request)) respond.interim(call, 100)
      const body = new HeldBody(call.request, memory, clock, {
        complete: () => read(held),
        outgrown: () => outgrown(held),
      })
      held.body = body
    }
    arm(held)
  }

  function directive(given: Directive): void {
    if (given.do === 'announce') return
    const held = holds.get(given.call)
    if (held === undefined || held.pending !== undefined) return
    held.pending = given
    held.pendingSince = clock()
    obey(held)
  }

  /** Does what is pending as soon as the call's phase and body allow it. */
  function obey(held: HeldCall): void {
    const { pending, call } = held
    if (pending === undefined) return
    if (call.phase === 'held' && pending.do === 'expire') {
      finish(held)
      call.outcome = 'hold-expired'
      respond.verdict(call, pending)
      calls.end(call)
    } else if (call.phase === 'held' && pending.do === 'release' && held.body?.complete !== false) {
      release(held, pending.upstream, pending.reason)
    } else {
      arm(held)
    }
  }

  function release(held: HeldCall, upstream: UpstreamIndex, reason: Reason): void {
    const { call, body } = held
    // From here the bytes are the forwarder's; they are no longer held.
    if (body !== undefined) call.body = body.take()
    finish(held)
    call.verdict = { ...held.verdict, reason, upstream }
    route(call, upstream)
    forward(call)
  }

  function read(held: HeldCall): void {
    if (held.pending === undefined) arm(held)
    else obey(held)
  }

  function outgrown(held: HeldCall): void {
    refuseWithSlot(held, 'hold-memory')
  }

  /** A refusal that the core did not ask for: it is told, and the caller gets a slot of a window of its own. */
  function refuseWithSlot(held: HeldCall, reason: Reason): void {
    const { call, verdict: decided } = held
    const slotAt = clock() + OWN_SLOT_MS.from + random() * (OWN_SLOT_MS.to - OWN_SLOT_MS.from)
    finish(held)
    call.verdict = { ...decided, do: 'shed', reason, until: 0, slotAt }
    call.outcome = 'shed'
    respond.verdict(call, call.verdict)
    settle(call, call.status)
    calls.end(call)
  }

  function clientGone(call: Call): void {
    const held = holds.get(call.slot)
    if (held?.call !== call) return
    // Between hops its old connection may close; a late close of that one must not end the next hop.
    if (call.phase === 'held' && isGone(call)) leave(held)
  }

  /** Ends a call that nobody waits for any more. */
  function leave(held: HeldCall): void {
    // An emitter still calls a listener that was removed while it emits: a call is left once.
    if (holds.get(held.call.slot) !== held) return
    const isSettled = held.pending?.do === 'expire'
    finish(held)
    held.call.outcome = isSettled ? 'hold-expired' : 'client-gone'
    if (!isSettled) settle(held.call, 0)
    calls.end(held.call)
  }

  function hop(held: HeldCall, now: Millis): void {
    const { call } = held
    held.unwatch()
    held.unwatch = () => {}
    held.hopsLeft -= 1
    held.ticket = tickets.issue(held)
    held.returnBy = now + RETURN_WITHIN_MS
    call.phase = 'between-hops'
    respond.hop(call, hopLocation(call.request.url ?? '', held.ticket))
    arm(held)
  }

  function resume(ticket: string, request: IncomingMessage, response: ServerResponse): boolean {
    const held = tickets.redeem(ticket, request)
    if (held === undefined) return false
    const { call } = held
    call.request = request
    call.response = response
    call.socket = request.socket
    call.phase = 'held'
    held.ticket = ''
    held.silentSince = clock()
    if (isGone(call)) {
      leave(held)
      return true
    }
    if (awaitsContinue(request)) respond.interim(call, 100)
    // The same bytes once more: the first reading is kept, this one only frees the connection.
    discard(request)
    held.unwatch = watch(call, () => leave(held))
    if (held.pending === undefined) arm(held)
    else obey(held)
    return true
  }

  function arm(held: HeldCall): void {
    clearTimeout(held.timer)
    const due = nextDue(held, bodyIdleMs)
    held.timer = setTimeout(() => act(held), Math.max(1, due.at - clock()))
  }

  function act(held: HeldCall): void {
    const now = clock()
    const { what, at } = nextDue(held, bodyIdleMs)
    if (at > now) {
      arm(held)
      return
    }
    const { call } = held
    switch (what) {
      case 'return':
        leave(held)
        return
      case 'body':
        finish(held)
        call.outcome = 'client-gone'
        respond.refuse(call, 'request_timeout')
        settle(call, call.status)
        calls.end(call)
        return
      case 'backstop':
        if (now >= drainUntil) {
          refuseWithSlot(held, 'draining')
          return
        }
        finish(held)
        call.outcome = 'hold-expired'
        respond.verdict(call, { do: 'expire', call: call.slot, reason: held.verdict.reason, slotAt: 0 })
        settle(call, call.status)
        calls.end(call)
        return
      case 'hop':
        hop(held, now)
        return
      case 'processing':
        respond.interim(call, 102)
        delayProcessing(held, now)
        arm(held)
        return
    }
  }

  /** Takes a call out of every table and timer of this file. What follows is an answer, a forward, or nothing. */
  function finish(held: HeldCall): void {
    const { call } = held
    clearTimeout(held.timer)
    held.unwatch()
    tickets.revoke(held.ticket)
    held.body?.drop()
    holds.delete(call.slot)
    call.heldMs = clock() - call.heldSince
  }

  function settle(call: Call, status: number): void {
    const { slot, bytesIn, bytesOut } = call
    core.settle({ call: slot, at: clock(), kind: 'cancelled', status, answered: false, bytesIn, bytesOut })
  }

  function drain(until: Millis): void {
    drainUntil = Math.min(drainUntil, until)
    for (const held of holds.values()) {
      held.hopsLeft = 0
      held.drainAt = drainUntil
      // Node says `Connection: close` by itself when this is false.
      if (held.call.response !== undefined) held.call.response.shouldKeepAlive = false
      arm(held)
    }
  }

  return {
    verdict,
    directive,
    clientGone,
    resume,
    drain,
    get heldBytes() {
      return memory.bytes
    },
    get held() {
      return holds.size
    },
  }
}

function awaitsContinue(request: IncomingMessage): boolean {
  return request.headers.expect?.toLowerCase() === '100-continue'
}
