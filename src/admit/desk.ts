/**
 * Tickets of those who asked before a step: who may go, who waits in line, and who has not been heard of. Bounded in
 * all and by agent. A ticket whose holder is silent for its lease, or for a few seconds while it waits, is given up:
 * its place in the core is free again, and the upstream is not blamed.
 */
import { randomBytes } from 'node:crypto'
import type { Arrival, Millis, Outcome } from '../core/model.ts'
import { Refused } from '../commons/refused.ts'
import type { Guests } from '../proxy/guests.ts'
import { kindOfAnswer } from '../proxy/settle.ts'
import type { Report } from './ask.ts'
import { Turn, type Decision } from './turn.ts'

export interface DeskOptions {
  readonly tickets: number
  readonly perAgent: number
  readonly leaseMs: Millis
  /** The longest wait of one request. */
  readonly waitMs: Millis
}

export interface DeskDeps {
  readonly guests: Guests
  readonly clock: () => Millis
  readonly onEnd?: (id: string, turn: Turn, outcome: Outcome) => void
}

/** A ticket as it is now. `is` ended: it is gone, and `slotAt` is when its caller should try again, 0 = as it likes. */
export type TicketView =
  | {
      readonly is: 'decided'
      readonly id: string
      readonly decision: Decision
      readonly heldMs: Millis
      readonly leaseMs: Millis
    }
  | { readonly is: 'ended'; readonly slotAt: Millis }

export interface AskTerms {
  readonly isVerified: boolean
  readonly leaseMs: Millis | undefined
  readonly waitMs: Millis
  /** False = nobody will say how it ended: its time is no sample. */
  readonly isMeasured: boolean
}

interface Ticket {
  readonly id: string
  readonly agent: string
  readonly isVerified: boolean
  readonly leaseMs: Millis
  readonly turn: Turn
  readonly isMeasured: boolean
  /** Given up then; Infinity while a request of its holder is here. */
  aliveUntil: Millis
  /** Requests of its holder that wait. */
  readonly waiting: Set<() => void>
}

/** Until whoever waits in line asks on. */
const ASK_ON_MS: Millis = 10_000
const DEFAULT_LEASE_MS: Millis = 60_000
const SWEEP_MS: Millis = 500
/** Requests that wait for one ticket. */
const MOST_WAITING = 4

export class Desk {
  readonly #options: DeskOptions
  readonly #deps: DeskDeps
  readonly #tickets = new Map<string, Ticket>()
  readonly #byAgent = new Map<string, number>()
  #sweep: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: DeskOptions, deps: DeskDeps) {
    this.#options = options
    this.#deps = deps
  }

  get open(): number {
    return this.#tickets.size
  }

  /**
   * Asks, and waits for at most `waitMs` while the core holds.
   * @param fill what is asked, into the core's record @param gone the one who asked went away
   * @throws Refused `too-many`, and what `fill` throws
   */
  async ask(fill: (arrival: Arrival) => void, asked: AskTerms, gone: AbortSignal): Promise<TicketView> {
    const { tickets, leaseMs } = this.#options
    if (this.#tickets.size >= tickets) throw tooMany(`${tickets} tickets are open`, 'maxTickets')
    const id = randomBytes(16).toString('base64url')
    const turn = new Turn(this.#deps.guests, {
      decided: () => this.#wake(id),
      ended: (ended, outcome) => this.#deps.onEnd?.(id, ended, outcome),
    })
    try {
      fill(turn.arrival)
      this.#count(turn.arrival.agent)
    } catch (error) {
      turn.leave()
      throw error
    }
    const ticket: Ticket = {
      id,
      agent: turn.arrival.agent,
      isVerified: asked.isVerified,
      leaseMs: Math.min(leaseMs, asked.leaseMs ?? DEFAULT_LEASE_MS),
      turn,
      isMeasured: asked.isMeasured,
      aliveUntil: Infinity,
      waiting: new Set(),
    }
    this.#tickets.set(id, ticket)
    this.#sweep ??= unrefed(setInterval(() => this.#look(), SWEEP_MS))
    turn.ask()
    if (asked.isMeasured) turn.sent()
    if (turn.phase === 'waiting') await this.#wait(ticket, asked.waitMs, gone)
    // Nobody knows the ticket: its number is on the way to nowhere.
    if (gone.aborted) this.#drop(ticket)
    return this.#view(ticket)
  }

  /** A sign of life, a wait in line, or the end. @throws Refused `unknown` */
  async report(id: string, caller: Holder, given: Report, gone: AbortSignal): Promise<TicketView> {
    const ticket = this.#find(id, caller)
    const { turn } = ticket
    const kind = given.ended ?? (given.status === undefined ? undefined : kindOfAnswer(given.status, false))
    if (kind === undefined) {
      if (turn.phase === 'waiting') await this.#wait(ticket, given.waitMs ?? 0, gone)
      return this.#view(ticket)
    }
    const status = given.status ?? (kind === 'dropped' ? 429 : 0)
    let slotAt = 0
    if (status > 0) {
      const { retryAfterMs = -1, quota } = given
      slotAt = turn.head({ status, streaming: false, retryAfterMs, quota }).slotAt
    }
    const answered = status > 0 || kind === 'success' || kind === 'ignored'
    const { bytesIn = 0, bytesOut = 0 } = given
    turn.settle({ kind, status, answered, bytesIn, bytesOut })
    this.#forget(ticket)
    return { is: 'ended', slotAt }
  }

  /** As it is, which is no sign of life. @throws Refused `unknown` */
  look(id: string, caller: Holder): TicketView {
    const ticket = this.#find(id, caller)
    return viewOf(ticket)
  }

  /** Ends all waits of requests; what waited stays in line until the core says otherwise. */
  drain(): void {
    for (const ticket of this.#tickets.values()) wakeAll(ticket)
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#sweep)
    for (const ticket of this.#tickets.values()) this.#drop(ticket)
  }

  #find(id: string, { agent, isVerified }: Holder): Ticket {
    const ticket = this.#tickets.get(id)
    // The number is the right to use it; of somebody who proved who it is, it is besides of use to that one only.
    if (ticket !== undefined && (!ticket.isVerified || (isVerified && agent === ticket.agent))) return ticket
    throw new Refused('unknown', 'there is no such ticket: it has ended, or its lease is over')
  }

  /** What the caller is told, and from when on its silence counts. */
  #view(ticket: Ticket): TicketView {
    const { turn } = ticket
    const isOpen = turn.phase === 'going' || turn.phase === 'waiting'
    const silenceMs = turn.phase === 'going' ? ticket.leaseMs : ASK_ON_MS
    if (!isOpen) this.#forget(ticket)
    else if (ticket.waiting.size === 0) ticket.aliveUntil = this.#deps.clock() + silenceMs
    return viewOf(ticket)
  }

  async #wait(ticket: Ticket, waitMs: Millis, gone: AbortSignal): Promise<void> {
    const ms = Math.min(waitMs, this.#options.waitMs)
    if (ms <= 0 || gone.aborted || this.#isClosed || ticket.waiting.size >= MOST_WAITING) return
    ticket.aliveUntil = Infinity
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        gone.removeEventListener('abort', done)
        ticket.waiting.delete(done)
        resolve()
      }
      const timer = setTimeout(done, ms)
      gone.addEventListener('abort', done)
      ticket.waiting.add(done)
    })
  }

  #wake(id: string): void {
    const ticket = this.#tickets.get(id)
    if (ticket === undefined) return
    // Released while nobody listened: its time runs.
    if (ticket.waiting.size === 0) ticket.aliveUntil = this.#deps.clock() + ASK_ON_MS
    wakeAll(ticket)
    // It runs from now on, for all that the core can know.
    if (ticket.isMeasured) ticket.turn.sent()
  }

  #look(): void {
    const now = this.#deps.clock()
    for (const ticket of this.#tickets.values()) if (ticket.aliveUntil <= now) this.#drop(ticket)
  }

  #drop(ticket: Ticket): void {
    ticket.turn.leave()
    this.#forget(ticket)
  }

  #count(agent: string): void {
    const { perAgent } = this.#options
    const own = this.#byAgent.get(agent) ?? 0
    if (own >= perAgent) throw tooMany(`${agent} has ${own} open tickets`, 'maxPerAgent')
    this.#byAgent.set(agent, own + 1)
  }

  #forget(ticket: Ticket): void {
    if (!this.#tickets.delete(ticket.id)) return
    wakeAll(ticket)
    const left = (this.#byAgent.get(ticket.agent) ?? 1) - 1
    if (left === 0) this.#byAgent.delete(ticket.agent)
    else this.#byAgent.set(ticket.agent, left)
    if (this.#tickets.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }
}

export interface Holder {
  readonly agent: string
  readonly isVerified: boolean
}

function viewOf({ id, turn, leaseMs }: Ticket): TicketView {
  return { is: 'decided', id, decision: turn.decision!, heldMs: turn.heldMs, leaseMs }
}

function wakeAll(ticket: Ticket): void {
  for (const wake of ticket.waiting) wake()
}

function tooMany(found: string, key: string): Refused {
  return new Refused('too-many', `${found}; see admission.${key}`, [
    { where: 'tickets', found, allowed: 'end some, or raise the bound' },
  ])
}

function unrefed(timer: NodeJS.Timeout): NodeJS.Timeout {
  timer.unref()
  return timer
}
