/** Weir without sockets: the real core between modelled agents and modelled upstreams, in virtual time. */
import { createCoordinator, type Coordinator, type FleetCore } from '../../../core/coordinator.ts'
import type { Arrival, CoreEvent, Mark, Millis, Settlement, Verdict } from '../../../core/model.ts'
import type { Policy } from '../../../core/policy.ts'
import type { Reply, UpstreamModel } from './upstream-model.ts'
import type { Timer, World } from './world.ts'

export interface Handle {
  /** The client gives up: it closes its connection. */
  abandon(): void
}

/** What the client sees: an answer, and when it was told to come back (ms from now, -1 = not told). */
export interface Answer {
  readonly status: number
  readonly retryAfterMs: Millis
  readonly by: 'upstream' | 'weir'
}

interface Open {
  readonly upstream: UpstreamModel
  readonly answer: (answer: Answer) => void
  sent: boolean
}

export class WeirModel {
  readonly core: Coordinator
  readonly events: CoreEvent[] = []
  /** Calls held or refused, by instant: what Weir did to calls. */
  readonly acts: { at: Millis; do: string; reason: string }[] = []
  readonly #world: World
  readonly #upstreams: readonly UpstreamModel[]
  readonly #open = new Map<number, Open>()
  readonly #free: number[] = []
  #nextSlot = 0
  #timer: Timer | undefined
  #timerAt = Infinity
  readonly #onLine: ((line: string) => void) | undefined

  constructor(
    world: World,
    names: readonly string[],
    upstreams: readonly UpstreamModel[],
    policy: Policy,
    seed: number,
    onLine?: (line: string) => void,
    wrap: (core: Coordinator & FleetCore) => Coordinator = (core) => core,
  ) {
    this.#world = world
    this.#upstreams = upstreams
    this.#onLine = onLine
    this.core = wrap(createCoordinator({ policy, upstreams: names, seed }))
  }

  /** One attempt of a client; `arrival` lacks only what Weir itself fills in. */
  submit(arrival: Omit<Arrival, 'at' | 'call'>, answer: (answer: Answer) => void): Handle {
    const call = this.#free.pop() ?? this.#nextSlot++
    const upstream = this.#upstreams[arrival.upstream]!
    const open: Open = { upstream, answer, sent: false }
    const verdict = this.core.arrive({ ...arrival, at: this.#world.now, call })
    if (verdict.do !== 'pass' || verdict.shadow !== undefined) {
      this.#line(`${arrival.agent} -> ${arrival.upstream} #${call} ${describe(verdict, this.#world.now)}`)
    }
    if (verdict.do === 'hold' || verdict.do === 'shed' || verdict.do === 'defer') {
      this.acts.push({ at: this.#world.now, do: verdict.do, reason: verdict.reason })
    }
    if (verdict.do === 'shed' || verdict.do === 'defer') {
      this.#free.push(call)
      this.#refuse(open, verdict.slotAt)
      this.#arm()
      return { abandon: () => {} }
    }
    this.#open.set(call, open)
    if (verdict.do === 'pass') this.#send(call, open, verdict.upstream)
    this.#arm()
    return { abandon: () => this.#abandon(call, open) }
  }

  /** The core was told something by another way: something may be due. */
  look(): void {
    this.#arm()
  }

  #send(call: number, open: Open, upstream: number): void {
    open.sent = true
    this.core.progress({ kind: 'sent', call, at: this.#world.now })
    ;(this.#upstreams[upstream] ?? open.upstream).call((reply) => this.#replied(call, open, reply))
  }

  #replied(call: number, open: Open, reply: Reply): void {
    if (this.#open.get(call) !== open) return
    const at = this.#world.now
    let slotAt = 0
    if (reply.status !== 0) {
      const { retryAfterMs, status } = reply
      const mark: Mark = { kind: 'head', call, at, status, streaming: false, retryAfterMs, quota: undefined }
      slotAt = this.core.progress(mark).slotAt
    }
    this.#settle(call, { call, at, ...settlementOf(reply.status), bytesIn: 1000, bytesOut: 1000 })
    const status = reply.status === 0 ? 502 : reply.status
    const retryAfterMs = slotAt === 0 ? reply.retryAfterMs : slotAt - at
    open.answer({ status, retryAfterMs, by: 'upstream' })
    this.#arm()
  }

  #abandon(call: number, open: Open): void {
    if (this.#open.get(call) !== open) return
    const at = this.#world.now
    this.#settle(call, { call, at, kind: 'cancelled', status: 0, answered: false, bytesIn: 0, bytesOut: 0 })
    this.#arm()
  }

  #settle(call: number, settlement: Settlement): void {
    this.core.settle(settlement)
    this.#open.delete(call)
    this.#free.push(call)
  }

  #refuse(open: Open, slotAt: Millis): void {
    const retryAfterMs = slotAt === 0 ? -1 : slotAt - this.#world.now
    this.#world.after(1, () => open.answer({ status: slotAt === 0 ? 403 : 429, retryAfterMs, by: 'weir' }))
  }

  #tick(): void {
    const now = this.#world.now
    for (const directive of this.core.tick(now)) {
      if (directive.do === 'announce') {
        this.events.push(directive.event)
        this.#line(`* ${directive.event.name} ${directive.event.from ?? ''} -> ${directive.event.to ?? ''}`)
        continue
      }
      const open = this.#open.get(directive.call)
      if (open === undefined) throw new Error(`directive for a call that is not open: ${directive.call}`)
      this.#line(`#${directive.call} ${directive.do} reason=${directive.reason}`)
      if (directive.do === 'release') {
        this.#send(directive.call, open, directive.upstream)
      } else {
        this.#open.delete(directive.call)
        this.#free.push(directive.call)
        this.#refuse(open, directive.slotAt)
      }
    }
    this.#arm()
  }

  #arm(): void {
    const at = this.core.wakeAt()
    if (at >= this.#timerAt && this.#timerAt > this.#world.now) return
    this.#timer?.cancel()
    this.#timerAt = at
    if (at === Infinity) return
    this.#timer = this.#world.at(at, () => {
      this.#timerAt = Infinity
      this.#tick()
    })
  }

  #line(text: string): void {
    this.#onLine?.(`t=${(this.#world.now / 1000).toFixed(3)}s ${text}`)
  }
}

function settlementOf(status: number): Pick<Settlement, 'kind' | 'status' | 'answered'> {
  if (status === 0) return { kind: 'failure', status: 0, answered: false }
  if (status === 429 || status === 503) return { kind: 'dropped', status, answered: true }
  return { kind: status >= 500 ? 'failure' : 'success', status, answered: true }
}

function describe(verdict: Verdict, now: Millis): string {
  if (verdict.shadow !== undefined) return `pass (shadow ${describe(verdict.shadow, now)})`
  const when = verdict.until || verdict.slotAt
  return `${verdict.do} reason=${verdict.reason}${when === 0 ? '' : ` for=${((when - now) / 1000).toFixed(3)}s`}`
}
