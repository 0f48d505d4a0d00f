/**
 * Takes a call whose client can be answered later: reads its body, has it accepted by the deferral room, and answers
 * 202 when, and only when, that is durable. Owner of the call from `take` until it is answered or handed back.
 *
 * Handed back (`decline`) means that nothing was promised and nothing was stored: the call goes on as if nobody had
 * asked, with its body, if it was read already, in `call.body`.
 */
import type { ServerResponse } from 'node:http'
import type { Millis, UpstreamIndex } from '../core/model.ts'
import type { Accepted, NewCall } from '../defer/deferral.ts'
import type { Call } from './call.ts'
import { discard, HeldBody, type HoldMemory } from './hold.ts'
import type { Responder } from './respond.ts'
import { isGone, watch } from './watch.ts'

/** What the proxy needs of the deferral room. */
export interface DeferralDesk {
  readonly isOpen: boolean
  /** Largest request body. */
  readonly callBytes: number
  accept(call: NewCall): Promise<Accepted>
  withdraw(id: string): Promise<void>
  /** Resolves when the call may have ended, or after `ms`. */
  wait(id: string, ms: Millis): Promise<void>
  /** Writes the kept answer and says true, if the call is done. */
  replay(response: ServerResponse, id: string): Promise<boolean>
}

export interface CallDeferrer {
  /** Whether this call could be answered later at all. Its client may still not understand that: see below. */
  mayDefer(call: Pick<Call, 'arrival' | 'response' | 'request'>): boolean
  /** Reads, accepts, answers; `decline` gets the call back otherwise. */
  take(call: Call, decline: () => void): void
}

/**
 * Clients that show 202 to whoever wrote the agent. SDKs of models and clouds take it for the answer itself and break
 * on it (wire.md 5), so a rule alone never defers their calls; `Prefer: respond-async` does, whoever sends it.
 */
const SHOWS_202: ReadonlySet<string> = new Set([
  'got',
  'axios',
  'undici',
  'node-fetch',
  'python-requests',
  'httpx',
  'aiohttp',
  'go',
  'java',
  'curl',
  'other',
])

export function understandsDeferral(family: string): boolean {
  return SHOWS_202.has(family)
}

export interface CallDeferrerRoom {
  readonly desk: DeferralDesk
  readonly clock: () => Millis
  readonly respond: Responder
  readonly calls: { end(call: Call): void }
  /** Bodies being read and stored at once, in bytes. */
  readonly totalBytes: number
  readonly bodyIdleMs: Millis
  readonly isDraining: () => boolean
  /** What of a head may be kept; absent = all that the room of deferred calls keeps. */
  readonly keptHeaders?:
    | ((rawHeaders: readonly string[], upstream: UpstreamIndex) => readonly string[])
    | undefined
}

export function createCallDeferrer(room: CallDeferrerRoom): CallDeferrer {
  const { desk, clock, respond, calls, bodyIdleMs } = room
  const memory: HoldMemory = { bytes: 0, totalBytes: room.totalBytes, bodyBytes: desk.callBytes }

  function mayDefer({ arrival, response, request }: Pick<Call, 'arrival' | 'response' | 'request'>): boolean {
    const bytes = Math.max(0, arrival.bytes)
    return (
      desk.isOpen &&
      !room.isDraining() &&
      response !== undefined &&
      !arrival.longLived &&
      bytes <= memory.bodyBytes &&
      memory.bytes + bytes <= memory.totalBytes &&
      request.url?.startsWith('/') === true
    )
  }

  function take(call: Call, decline: () => void): void {
    call.phase = 'deferring'
    let isOver = isGone(call)
    let timer: NodeJS.Timeout | undefined
    const over = (): boolean => {
      if (isOver) return false
      isOver = true
      clearTimeout(timer)
      return true
    }
    if (isOver) {
      left(call)
      return
    }
    const unwatch = watch(call, () => {
      if (!over()) return
      body.drop()
      left(call)
    })
    if (call.facts?.expectContinue === true) respond.interim(call, 100)
    const body = new HeldBody(call.request, memory, clock, {
      complete: () => {
        if (!over()) return
        unwatch()
        const bytes = body.take()
        call.body = bytes
        call.bytesIn = bytes.length
        memory.bytes += bytes.length
        void store(call, bytes, decline).finally(() => {
          memory.bytes -= bytes.length
        })
      },
      outgrown: () => {
        if (!over()) return
        unwatch()
        discard(call.request)
        call.outcome = 'shed'
        respond.refuse(call, 'too_large_to_defer')
        calls.end(call)
      },
    })
    const look = (): void => {
      const leftMs = body.lastReadAt + bodyIdleMs - clock()
      if (leftMs > 0) {
        timer = setTimeout(look, leftMs)
        return
      }
      if (!over()) return
      unwatch()
      body.drop()
      call.outcome = 'client-gone'
      respond.refuse(call, 'request_timeout')
      calls.end(call)
    }
    timer = setTimeout(look, bodyIdleMs)
  }

  async function store(call: Call, body: Buffer, decline: () => void): Promise<void> {
    const { arrival, request, upstream } = call
    const accepted = await desk.accept({
      upstream: upstream.options.name,
      agent: arrival.agent,
      trust: arrival.trust,
      workflow: arrival.workflow,
      parent: arrival.parent,
      priority: arrival.priority,
      method: arrival.method,
      target: request.url ?? '/',
      rawHeaders: room.keptHeaders?.(request.rawHeaders, upstream.index) ?? request.rawHeaders,
      body,
    })
    if (!('id' in accepted)) {
      if (isGone(call)) left(call)
      else decline()
      return
    }
    if (isGone(call)) {
      // Nobody heard the promise: it is not made.
      await desk.withdraw(accepted.id)
      left(call)
      return
    }
    call.outcome = 'deferred'
    const waitMs = accepted.is === 'accepted' ? (call.facts?.preferWaitMs ?? 0) : 0
    if (waitMs > 0 && call.response !== undefined) {
      await desk.wait(accepted.id, waitMs)
      if (await desk.replay(call.response, accepted.id).catch(() => false)) {
        call.status = call.response.statusCode
        calls.end(call)
        return
      }
    }
    respond.accepted(call, accepted)
    calls.end(call)
  }

  /** Nobody is there to be answered. */
  function left(call: Call): void {
    call.outcome = 'client-gone'
    calls.end(call)
  }

  return { mayDefer, take }
}
