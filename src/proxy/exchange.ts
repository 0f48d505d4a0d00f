/**
 * One call at its upstream: the handler of its client, so that nothing stands between the two connections. Owner of the call
 * from `start` until it is settled, which happens exactly once, in `#settle`; what comes later finds it over.
 */
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Mark, Millis, Settlement, SettlementKind } from '../core/model.ts'
import { Answer, rawHeadersOf } from './answer.ts'
import type { Call, Carrier } from './call.ts'
import type { ForwardRoom } from './forward.ts'
import { requestHeaders } from './headers.ts'
import type { Swept } from './idle-sweep.ts'
import { putOn } from './injected-credentials.ts'
import { passInterim } from './interim.ts'
import { carried, carries } from './listener.ts'
import { RequestBody, type RequestBodyEvents } from './request-body.ts'
import type { Problem } from './respond.ts'
import { kindOfAnswer } from './settle.ts'
import { signCall } from './sign-call.ts'
import { openTunnel, respondOnSocket } from './upgrade.ts'
import { isBodylessEnd, mayConnectAgain, problemOf } from './upstream-failure.ts'
import { isGone, watch } from './watch.ts'

/**
 * sending: the request is not yet whole; waiting: all of it was handed over; streaming: the answer is here;
 * flushing: settled, and the client may still have to read.
 */
type Stage = 'sending' | 'waiting' | 'streaming' | 'flushing' | 'over'

/** The core keeps no reference to a mark or a settlement: one is enough. */
const sentMark = { kind: 'sent', call: 0, at: 0 } satisfies Mark
const settlement: Settlement = {
  call: 0,
  at: 0,
  kind: 'ignored',
  status: 0,
  answered: false,
  bytesIn: 0,
  bytesOut: 0,
}

export class Exchange implements Dispatcher.DispatchHandler, Swept, Carrier, RequestBodyEvents {
  sweepIndex = -1
  readonly #call: Call
  readonly #room: ForwardRoom
  readonly #body: RequestBody
  #stage: Stage = 'sending'
  #deadlineAt: Millis
  /** From the first byte that may have been written. */
  #controller: Dispatcher.DispatchController | undefined
  /** Until then: what gives the call up while it waits for a connection. */
  #waiting: Pick<Dispatcher.DispatchController, 'abort'> | undefined
  #answer: Answer | undefined
  #unwatch: (() => void) | undefined
  #connectTriesLeft = 2

  constructor(call: Call, room: ForwardRoom) {
    this.#call = call
    this.#room = room
    this.#body = new RequestBody(call, this)
    this.#deadlineAt = room.clock() + room.limits.bodyIdleMs
  }

  start(): void {
    const call = this.#call
    call.phase = 'forwarding'
    call.exchange = this
    call.upstream.inFlight += 1
    this.#room.sweep.add(this)
    if (isGone(call)) {
      this.closed()
      return
    }
    if (call.response === undefined) {
      this.#unwatch = watch(call, () => this.closed())
    } else {
      carries(call.socket, this)
      call.response.on('close', () => this.closed())
      // A connection that breaks shows as `close`; the error of a write to it has no other reader.
      call.response.on('error', ignore)
      if (call.facts?.expectContinue === true && call.body === undefined)
        this.#room.respond.interim(call, 100)
    }
    this.#body.start()
  }

  get #isOver(): boolean {
    return this.#stage === 'over' || this.#stage === 'flushing'
  }

  ready(): void {
    if (this.#isOver) return
    const { request, upstream, target, facts } = this.#call
    const isUpgrade = this.#call.response === undefined
    const injected = this.#room.injected?.(upstream.index)
    const headers = requestHeaders(request.rawHeaders, {
      dropLength: isUpgrade || this.#body.isWhole,
      wantsTrailers: facts?.wantsTrailers === true,
      viaName: this.#room.viaName,
      stripped: injected?.stripped ?? this.#room.stripped,
    })
    if (injected !== undefined) putOn(headers, injected, isUpgrade)
    const { aws } = upstream.options
    if (aws !== undefined) {
      const problem = signCall(this.#call, headers, this.#body.whole, aws, this.#room.wall())
      if (problem !== undefined) {
        this.#fail(problem, 'cancelled')
        return
      }
    }
    const method = request.method ?? 'GET'
    const sent = { method, path: target, headers, body: this.#body.payload, isUpgrade }
    this.#waiting = upstream.client.dispatch(sent, this)
  }

  complete(): void {
    if (this.#stage !== 'sending') return
    this.#stage = 'waiting'
    this.#deadlineAt = this.#room.clock() + this.#call.upstream.options.firstByteTimeoutMs
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) {
      controller.abort(new Error('the call has ended'))
      return
    }
    this.#controller = controller
    const now = this.#room.clock()
    this.#call.sentAt = now
    sentMark.call = this.#call.slot
    sentMark.at = now
    this.#room.core.progress(sentMark)
  }

  onRequestUpgrade(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    upstreamSocket: Duplex,
  ): void {
    const call = this.#call
    if (this.#isOver) {
      upstreamSocket.destroy()
      return
    }
    this.#unwatch?.()
    this.#room.sweep.remove(this)
    call.status = status
    call.firstByteAt = this.#room.clock()
    const isOpen = openTunnel(call, rawHeadersOf(controller), upstreamSocket, this.#room, () => {
      this.#stage = 'over'
      this.#settle('ignored', status, true)
    })
    if (isOpen) return
    upstreamSocket.destroy()
    this.#fail('upgrade_failed', 'failure')
  }

  onResponseStart(
    controller: Dispatcher.DispatchController,
    status: number,
    _headers: unknown,
    statusText?: string,
  ): void {
    if (this.#isOver) return
    const call = this.#call
    if (status < 200) {
      passInterim(call, status, this.#room.respond)
      return
    }
    const now = this.#room.clock()
    call.firstByteAt = now
    if (call.response === undefined) {
      this.#unwatch?.()
      call.response = respondOnSocket(call)
      call.response.once('close', () => this.closed())
      call.response.on('error', ignore)
    }
    const answer = new Answer(call, call.response, controller, this.#room)
    answer.begin(status, statusText, now)
    call.status = status
    this.#answer = answer
    this.#stage = 'streaming'
  }

  onResponseData(_controller: unknown, chunk: Buffer): void {
    if (this.#stage === 'streaming') this.#answer?.data(chunk)
  }

  onResponseEnd(): void {
    const { arrival, request, status } = this.#call
    if (this.#stage !== 'streaming' || this.#answer === undefined) return
    this.#answer.end()
    this.#flush()
    this.#body.end()
    const isLongLived = arrival.longLived || (this.#answer.isEventStream && request.method === 'GET')
    this.#settle(kindOfAnswer(status, isLongLived), status, true)
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#isOver) return
    if (this.#stage === 'streaming' && isBodylessEnd(this.#call.status, error)) {
      this.onResponseEnd()
      return
    }
    const isStarted = this.#controller !== undefined
    this.#connectTriesLeft -= 1
    if (!isStarted && this.#connectTriesLeft > 0 && mayConnectAgain(error) && !this.#body.isBroken) {
      this.#room.stats.connectRetries += 1
      this.ready()
    } else if (this.#body.isBroken) {
      // The request broke off, and the error is only its echo.
      this.clientFault('bad_request_body')
    } else {
      const problem = problemOf(error, isStarted)
      const { id, upstream } = this.#call
      this.#room.log.debug({ call: id, upstream: upstream.name, problem }, 'no whole answer')
      this.#fail(problem, problem === 'bad_request_body' ? 'cancelled' : 'failure')
    }
  }

  closed(): void {
    this.#room.sweep.remove(this)
    carried(this.#call.socket, this)
    const isGoneEarly = !this.#isOver
    // Over before it is broken off: undici reports the abort within the abort.
    this.#stage = 'over'
    if (!isGoneEarly) return
    this.#room.stats.clientGone += 1
    this.#call.outcome = 'client-gone'
    this.#breakOff('client gone')
    this.#settle('cancelled', this.#call.status, false)
  }

  clientFault(problem: Extract<Problem, 'request_timeout' | 'bad_request_body'>): void {
    if (!this.#isOver) this.#fail(problem, 'cancelled')
  }

  goingAway(): void {
    if (!this.#isOver && this.#answer === undefined) this.#fail('going_away', 'cancelled')
  }

  visit(now: Millis): void {
    const { limits } = this.#room
    const { firstByteTimeoutMs, idleTimeoutMs } = this.#call.upstream.options
    if (this.#stage === 'sending') {
      if (this.#body.takeTouched()) {
        this.#deadlineAt = now + (this.#body.isBlockedByUpstream ? firstByteTimeoutMs : limits.bodyIdleMs)
      }
    } else if (this.#stage === 'streaming' && this.#answer?.isTouched === true) {
      this.#answer.isTouched = false
      this.#deadlineAt = now + (this.#answer.isPaused ? limits.slowReaderMs : idleTimeoutMs)
    }
    if (now >= this.#deadlineAt) this.#expire()
  }

  #expire(): void {
    const { stats } = this.#room
    this.#deadlineAt = Infinity
    if (this.#stage === 'sending' && !this.#body.isBlockedByUpstream) {
      stats.bodyTimeouts += 1
      this.clientFault('request_timeout')
    } else if (this.#stage === 'sending' || this.#stage === 'waiting') {
      stats.firstByteTimeouts += 1
      this.#fail('first_byte_timeout', 'failure')
    } else if (this.#stage === 'streaming' && this.#answer?.isPaused === false) {
      stats.idleTimeouts += 1
      this.#fail('body_timeout', 'failure')
    } else {
      stats.slowReaders += 1
      if (this.#answer === undefined) this.#call.response?.destroy()
      else this.#answer.cut()
      this.closed()
    }
  }

  /** Ends the call without a whole answer: Weir's own if there is still room for one, else a cut connection. */
  #fail(problem: Problem, kind: SettlementKind): void {
    const call = this.#call
    const { status } = call
    call.outcome = 'upstream-error'
    call.problem = problem
    this.#flush()
    if (this.#answer === undefined) this.#room.respond.refuse(call, problem)
    else this.#answer.cut()
    this.#breakOff(problem)
    this.#settle(kind, status, false)
  }

  /** From here on the call is settled; its connection is watched until it closes. */
  #flush(): void {
    this.#stage = 'flushing'
    this.#deadlineAt = this.#room.clock() + this.#room.limits.slowReaderMs
  }

  #breakOff(why: string): void {
    this.#unwatch?.()
    this.#body.end()
    const begun = this.#controller ?? this.#waiting
    begun?.abort(new Error(why))
    // The answer on a bare socket has its own end: see `respond.ts`.
    if (this.#call.response === undefined) this.#room.sweep.remove(this)
  }

  #settle(kind: SettlementKind, status: number, answered: boolean): void {
    const call = this.#call
    call.upstream.inFlight -= 1
    if (answered) call.outcome = call.heldSince > 0 ? 'passed-after-hold' : 'passed'
    settlement.call = call.slot
    settlement.at = this.#room.clock()
    settlement.kind = kind
    settlement.status = status
    settlement.answered = answered
    settlement.bytesIn = call.bytesIn
    settlement.bytesOut = call.bytesOut
    this.#room.core.settle(settlement)
    this.#room.calls.end(call)
  }
}

function ignore(): void {}
