/**
 * One upstream's way back to health: a probe finds out, a ramp climbs, and when the ramp no longer holds anybody
 * back the gate opens.
 *
 * shut: nothing goes but probes, `probePasses` good ones in a row lead to the ramp; a failed one starts over.
 * ramping: `rate` calls per second, from `start` of the healthy rate, times `growth` after each clean window.
 * Trouble takes the rate back, to half or to what was borne, and holds it for two windows; trouble again before
 * those were clean halves it again, and shuts the gate when it was back at the start.
 * open: no gate.
 *
 * The ramp judges a rate by the answers to calls that were sent at it: a window lasts until enough of them are in.
 */
import type { CallSlot, Millis } from '../model.ts'
import type { ReleasePolicy } from '../policy.ts'
import type { Random } from '../random.ts'
import { Pace } from './pace.ts'
import { ProbeSchedule } from './probe-schedule.ts'
import { RampWindow } from './ramp-window.ts'

/**
 * Near the healthy rate, or the rate at the last trouble, the ramp climbs slowly (CUBIC's plateau, RFC 9438); past
 * it too, as the healthy rate is what was asked for and not what can be borne, and up to twice that.
 */
const NEAR = 0.9
const SLOW_GROWTH = 1.03
/** Without any trouble on the way there it dares more: the limit watches the calls in flight besides. */
const UNTROUBLED_GROWTH = 1.07
const SLOW_WINDOW_MS = 1000
const ABOVE_HEALTHY = 2
/** Slowest ramp: one call a second finds out as much as any probe. */
const RATE_MIN = 1
const HALVED = 0.5
/** A rate that was borne for a whole window is not given up as far as that. */
const BORNE = 0.8
/** Windows that must be clean after trouble before the ramp climbs on. */
const HELD_WINDOWS = 2
/** A ramp that nobody used for so long has nothing left to hold back. */
const IDLE_MS = 30_000
/** So many windows an upstream may take to work off what it had queued before the trouble. */
const LATE_WINDOWS = 8

/** No window asks for more answers. */
const MOST_HEARD = 20

interface Ramping {
  readonly phase: 'ramping'
  rate: number
  readonly pace: Pace
  readonly window: RampWindow
  /** Clean windows to go before the rate grows again; above zero = after trouble. */
  held: number
  /** Another replica leads: the rate follows its word and does not climb by itself. */
  led: boolean
  /** Windows of slow answers in a row since the trouble. */
  late: number
  /** Bad answers to calls sent before the last trouble are no news. */
  troubleAt: Millis
  /** The rate at the last trouble, and the last that had a clean window. */
  troubleRate: number
  borneRate: number
  usedAt: Millis
}
type State = { readonly phase: 'open' } | { readonly phase: 'shut'; readonly probes: ProbeSchedule } | Ramping

export class Release {
  #policy: ReleasePolicy
  readonly #random: Random
  #state: State = { phase: 'open' }
  #healthyRate = 0
  #healthyQ95Ms: Millis = 0
  #replicas = 1
  #probers = 1
  #barred = false
  #at: Millis = -Infinity
  #aborts = 0
  #aborted = 0
  #probeMs: Millis = 0

  constructor(policy: ReleasePolicy, random: Random) {
    this.#policy = policy
    this.#random = random
  }

  /** Takes another policy; a ramp or a row of probes under way goes on. */
  adopt(policy: ReleasePolicy): void {
    this.#policy = policy
  }

  get phase(): State['phase'] {
    return this.#state.phase
  }

  /** The longest that a probe took of those that opened the ramp under way; 0 = none. */
  get probeMs(): Millis {
    return this.#state.phase === 'open' ? 0 : this.#probeMs
  }

  /** Times that a ramp was halved or shut since the gate was last open. */
  get aborts(): number {
    return this.#aborts
  }

  /** Times since start that a ramp was cut back for trouble that was seen here. */
  get aborted(): number {
    return this.#aborted
  }

  /** What the ramp climbs back to, in calls per second, and the healthy q95 of the time to answer (0 = unknown). */
  healthyRate(perSecond: number, q95Ms: Millis = this.#healthyQ95Ms): void {
    this.#healthyRate = perSecond
    this.#healthyQ95Ms = q95Ms
  }

  /** So many replicas share the upstream, and so many of them probe it: each that much more seldom. */
  fleet(replicas: number, probers = replicas): void {
    this.#replicas = Math.max(1, replicas)
    this.#probers = Math.max(1, probers)
  }

  /** Another replica probes for all: none from here. */
  bar(barred: boolean): void {
    this.#barred = barred
  }

  /** The part of the fleet's healthy rate that is this replica's now; a ramp under way keeps its place on the way. */
  portion(perSecond: number): void {
    const before = this.#healthyRate
    this.#healthyRate = perSecond
    if (this.#state.phase !== 'ramping' || !(before > 0) || !(perSecond > 0)) return
    const by = perSecond / before
    this.#state.rate = Math.max(this.#leastRate, this.#state.rate * by)
    this.#state.troubleRate *= by
    this.#state.borneRate *= by
  }

  /** Answers at other replicas to calls of the present step: `late` ones of `answers`. They prove as much as own ones. */
  hear(answers: number, late: number, at: Millis): void {
    for (let answer = 0; answer < Math.min(answers, MOST_HEARD); answer++) {
      this.outcome(true, answer >= late, at, false, Infinity)
    }
  }

  /**
   * Opens as far as the replica who leads found possible, `fraction` of the healthy rate. Trouble seen here still takes
   * the rate back, for two windows.
   */
  follow(fraction: number, at: Millis): void {
    this.startRamp(at)
    const state = this.#state
    if (state.phase !== 'ramping') return
    state.led = true
    const rate = Math.max(this.#leastRate, fraction * this.#healthyRate)
    if (rate < state.rate || state.held === 0) state.rate = rate
  }

  /** Nobody leads any more: a ramp under way goes on by itself. */
  goOn(): void {
    if (this.#state.phase === 'ramping') this.#state.led = false
  }

  /** Rate of the ramp over the healthy rate; -1 = no ramp. */
  get fraction(): number {
    if (this.#state.phase !== 'ramping') return -1
    return this.#state.rate / Math.max(this.#leastRate, this.#healthyRate)
  }

  /** The upstream was judged down: nothing goes but probes. */
  fail(at: Millis): void {
    this.#now(at)
    if (this.#state.phase === 'shut') return
    const probes = new ProbeSchedule(this.#policy, this.#random, this.#at, this.#probers, this.#healthyQ95Ms)
    this.#state = { phase: 'shut', probes }
  }

  /** Whether a probe may go now; calls that may safely be repeated, or matter most, first. */
  mayProbe(at: Millis, idempotentOrCritical: boolean): boolean {
    this.#now(at)
    if (this.#barred) return false
    return this.#state.phase === 'shut' && this.#state.probes.due(this.#at, idempotentOrCritical)
  }

  probeSent(call: CallSlot, at: Millis): void {
    this.#now(at)
    if (this.#state.phase === 'shut') this.#state.probes.sent(call, this.#at)
  }

  /** A probe ended; `passed` undefined = it says nothing (its client left), another may go at once. */
  probeEnded(call: CallSlot, passed: boolean | undefined, at: Millis, latencyMs: Millis = 0): void {
    this.#now(at)
    if (this.#state.phase !== 'shut') return
    this.#probeMs = passed === true ? Math.max(this.#probeMs, latencyMs) : 0
    if (this.#state.probes.ended(call, passed, this.#at)) this.startRamp(at)
  }

  /** Opens in stages, from a gate that is shut or open. */
  startRamp(at: Millis): void {
    this.#now(at)
    if (this.#state.phase === 'ramping') return
    this.#state = {
      phase: 'ramping',
      rate: this.#startRate(),
      pace: new Pace(this.#random, this.#at),
      window: new RampWindow(this.#at),
      held: 0,
      led: false,
      late: 0,
      troubleAt: -Infinity,
      troubleRate: Infinity,
      borneRate: 0,
      usedAt: this.#at,
    }
  }

  /** No gate from here on, whatever was known. */
  open(): void {
    this.#state = { phase: 'open' }
    this.#aborts = 0
  }

  /** Calls per second let through now: 0 = only probes, Infinity = no ramp. */
  rate(at: Millis): number {
    this.#roll(at)
    return this.standingRate
  }

  /** The same as it stands, for those who only look: nothing moves on. */
  get standingRate(): number {
    if (this.#state.phase === 'ramping') return this.#state.rate
    return this.#state.phase === 'open' ? Infinity : 0
  }

  /** Lets one call through, if its turn has come. */
  take(at: Millis): boolean {
    this.#roll(at)
    const state = this.#state
    if (state.phase !== 'ramping') return state.phase === 'open'
    state.usedAt = this.#at
    if (state.pace.take(this.#at, state.rate)) return true
    state.window.bound = true
    return false
  }

  /**
   * A call that was let through came back. `dropped` = 429 or 503, which aborts alone; other failures abort from
   * two on and beyond 5 %. `latencyOk` = not far beyond its healthy time. Without `sentAt` it counts as sent one
   * healthy q95 ago.
   */
  outcome(
    ok: boolean,
    latencyOk: boolean,
    at: Millis,
    dropped = false,
    sentAt = at - this.#healthyQ95Ms,
  ): void {
    this.#roll(at)
    const state = this.#state
    if (state.phase !== 'ramping') return
    state.usedAt = this.#at
    const good = ok && latencyOk
    if (!good && sentAt <= state.troubleAt) return
    // A good answer to a call of the window before proves only the rate before.
    if (good && sentAt < state.window.from) return
    state.window.add(ok, latencyOk, dropped)
    // What the upstream had queued before the trouble keeps the next answers slow: no trouble of the new rate.
    if (state.window.failing || (state.window.slow && state.held === 0)) {
      this.#aborted += 1
      this.#abort(state)
    } else this.#roll(at)
  }

  /** The detectors see trouble that single answers do not show: the ramp backs off. */
  abort(at: Millis): void {
    this.#now(at)
    if (this.#state.phase === 'ramping') this.#abort(this.#state)
  }

  /** When a shut gate may let somebody through, as far as that can be told to a caller. */
  opensAt(at: Millis): Millis {
    return this.#barred ? at + this.#policy.probeEveryMs : this.nextAt()
  }

  /** The next instant at which a call or a probe can go, if one waits; Infinity = the gate is open. */
  nextAt(): Millis {
    const state = this.#state
    if (state.phase === 'open') return Infinity
    if (state.phase === 'ramping') return state.pace.nextAt
    return this.#barred ? Infinity : state.probes.nextAt()
  }

  #abort(state: Ramping): void {
    this.#aborts += 1
    if (state.held > 0 && state.rate <= this.#startRate()) return this.fail(this.#at)
    state.troubleRate = state.rate
    const borne = state.held > 0 ? 0 : BORNE * Math.min(state.borneRate, state.rate)
    state.rate = Math.max(this.#startRate(), HALVED * state.rate, borne)
    state.held = HELD_WINDOWS
    state.late = 0
    state.troubleAt = this.#at
    state.window.restart(this.#at)
  }

  #roll(at: Millis): void {
    this.#now(at)
    const state = this.#state
    if (state.phase !== 'ramping') return
    if (this.#at - state.usedAt >= IDLE_MS) return this.open()
    const full = Math.max(this.#leastRate, this.#healthyRate)
    const plateau = NEAR * Math.min(full, state.troubleRate)
    const slow = state.rate >= plateau
    const windowMs = slow ? Math.max(SLOW_WINDOW_MS, this.#policy.windowMs) : this.#policy.windowMs
    if (!state.window.over(this.#at, windowMs, state.rate)) return
    const { bound, clean, slow: late } = state.window
    state.window.restart(this.#at)
    if (!clean) {
      state.late = late ? state.late + 1 : state.late
      if (state.late > LATE_WINDOWS) this.#abort(state)
      return
    }
    state.late = 0
    state.borneRate = state.rate
    if (state.held > 0) state.held -= 1
    else if (state.led) return
    else if (!slow) state.rate = Math.min(plateau, state.rate * this.#policy.growth)
    else if (bound)
      state.rate = Math.min(Math.max(ABOVE_HEALTHY * full, state.rate), state.rate * this.#slowGrowth(state))
    else if (state.rate >= NEAR * full) return this.open()
    if (state.rate > state.troubleRate) state.troubleRate = Infinity
  }

  #slowGrowth(state: Ramping): number {
    return state.troubleRate === Infinity ? UNTROUBLED_GROWTH : SLOW_GROWTH
  }

  #startRate(): number {
    return Math.max(this.#leastRate, this.#policy.start * this.#healthyRate)
  }

  /** The slowest ramp of the whole fleet, divided. */
  get #leastRate(): number {
    return RATE_MIN / this.#replicas
  }

  #now(at: Millis): void {
    if (at > this.#at) this.#at = at
  }
}
