/**
 * Who calls, by what it shows, and whether it may. Consulted once per request, before anything else is made of it:
 * a wrong key costs a hash, a comparison and a counter, no line and no memory.
 */
import type { IncomingMessage } from 'node:http'
import type { Arrival, Millis, Trust, UpstreamIndex } from '../core/model.ts'
import { PRIORITIES } from '../core/model.ts'
import type { KeyRing } from './api-key.ts'
import { createAuthCounts, type AuthCounts, type Denial, type Shown } from './auth-counts.ts'
import type { Certificates } from './certificates.ts'
import type { Allowance, Permissions } from './permissions.ts'
import { Places, type Place } from './places.ts'
import {
  DENIED,
  NO_CREDENTIAL,
  refusedCall,
  tooManyCalls,
  UNAVAILABLE,
  WRONG_CREDENTIAL,
  type Refusal,
} from './refusal.ts'
import { ShownCredential } from './shown-credential.ts'
import { Tokens, type TokenVerdict } from './tokens.ts'

/** The agent; '' = it showed nothing and may go on without. Or why it may not. */
export type Checked = string | Refusal

export interface GateOptions {
  /** `optional`: whoever shows nothing is anonymous. */
  readonly mode: 'required' | 'optional'
  readonly wall: () => number
  /** Names by upstream index. */
  readonly upstreams: readonly string[]
  /** Upstreams whose credential is put on here. */
  readonly isInjected: (upstream: UpstreamIndex) => boolean
  readonly certificates: Certificates | undefined
  /** 0 <= x < 1; spreads those who have too many calls open. */
  readonly random: () => number
}

/** The last one who was refused what it asked for, for the log: a name that was proved, and words of ours. */
export interface LastDenied {
  readonly agent: string
  readonly what: Denial
}

/** Who has too many calls open comes back within these: most calls of models end in seconds. */
const PLACE_SPREAD_MS: { readonly from: Millis; readonly to: Millis } = { from: 500, to: 2000 }

/** In place of an upstream's index: see `Gate.check`. */
export const OWN: UpstreamIndex = -1
export const ASKED: UpstreamIndex = -2

export class Gate {
  readonly counts: AuthCounts = createAuthCounts()
  lastDenied: LastDenied | undefined
  /** Undefined = there are no keys. */
  keys: KeyRing | undefined
  tokens: Tokens | undefined
  permissions: Permissions
  readonly #options: GateOptions
  readonly #shown = new ShownCredential()
  readonly #places = new Places()
  #keyed: ReadonlySet<string> = new Set()

  constructor(options: GateOptions, permissions: Permissions) {
    this.#options = options
    this.permissions = permissions
  }

  adoptKeys(keys: KeyRing): void {
    this.keys = keys
    this.#keyed = new Set(keys.agents())
  }

  /** Agents that have calls open whose number is bounded. */
  get occupied(): number {
    return this.#places.agents
  }

  /**
   * @param upstream where it goes; OWN = to Weir itself, ASKED = it asks Weir about somebody's request, whose own
   *   credentials are in their places
   * @returns a promise only for a token whose signature is not known yet
   */
  check(request: IncomingMessage, upstream: UpstreamIndex): Checked | Promise<Checked> {
    const { certificates } = this.#options
    const shown = this.#shown
    shown.read(request.rawHeaders, upstream === OWN || (upstream >= 0 && this.#options.isInjected(upstream)))
    if (shown.isAmbiguous) return this.#refuse('key', WRONG_CREDENTIAL)
    if (shown.text !== '') return this.#checkText(shown.text)
    if (certificates !== undefined) {
      const { agent, isWrong } = certificates.check(request.socket, shown.forwarded)
      if (isWrong) return this.#refuse('certificate', WRONG_CREDENTIAL)
      if (agent !== '') return this.#accept('certificate', agent)
    }
    if (this.#options.mode === 'required') return this.#refuse('nothing', NO_CREDENTIAL)
    return this.#accept('nothing', '')
  }

  #checkText(text: string): Checked | Promise<Checked> {
    if (this.tokens !== undefined && Tokens.isLike(text)) {
      const verdict = this.tokens.check(text)
      return verdict instanceof Promise ? verdict.then((late) => this.#ofToken(late)) : this.#ofToken(verdict)
    }
    const agent = this.keys?.check(text, this.#options.wall()) ?? ''
    return agent === '' ? this.#refuse('key', WRONG_CREDENTIAL) : this.#accept('key', agent)
  }

  #ofToken(verdict: TokenVerdict): Checked {
    if (verdict.is === 'agent') return this.#accept('token', verdict.agent)
    if (verdict.is === 'wrong') return this.#refuse('token', WRONG_CREDENTIAL)
    this.counts.checks.token.unavailable += 1
    return UNAVAILABLE
  }

  #accept(shown: Shown, agent: string): string {
    this.counts.checks[shown].accepted += 1
    return agent
  }

  #refuse(shown: Shown, refusal: Refusal): Refusal {
    this.counts.checks[shown].refused += 1
    return refusal
  }

  /**
   * Whether the call may be made; lowers its priority to what the agent may ask for. A place is to be given back when
   * the call has ended. Undefined = go on, and there is nothing to give back.
   */
  admit(arrival: Arrival): Refusal | Place | undefined {
    const agent = provedName(arrival)
    const allowance = this.#allowanceOf(agent, arrival)
    if ('status' in allowance) return allowance
    if (allowance.concurrency === Infinity) return undefined
    // All who show nothing share one count: the names that they claim cost them nothing.
    const place = this.#places.take(agent, allowance.concurrency)
    if (place !== undefined) return place
    this.#deny(agent, 'concurrency')
    const { from, to } = PLACE_SPREAD_MS
    return tooManyCalls(agent, Math.ceil(from + this.#options.random() * (to - from)))
  }

  /** As `admit`, for a call that somebody else makes: its place is not counted. Undefined = it may be made. */
  judge(arrival: Arrival): Refusal | undefined {
    const allowance = this.#allowanceOf(provedName(arrival), arrival)
    return 'status' in allowance ? allowance : undefined
  }

  #allowanceOf(agent: string, arrival: Arrival): Refusal | Allowance {
    const upstream = this.#options.upstreams[arrival.upstream] ?? ''
    const allowance = this.permissions.of(agent).ofCall(upstream, arrival.method, arrival.path)
    if (typeof allowance === 'string') {
      this.#deny(agent, allowance)
      return refusedCall(DENIED[allowance], agent, upstream)
    }
    if (PRIORITIES.indexOf(arrival.priority) < PRIORITIES.indexOf(allowance.priority)) {
      arrival.priority = allowance.priority
      this.counts.capped += 1
    }
    return allowance
  }

  /** Whether an action of the commons is allowed. */
  may(caller: { readonly agent: string; readonly trust: Trust }, action: string, on: string): boolean {
    const agent = provedName(caller)
    const isAllowed = this.permissions.of(agent).ofAction(action, on)
    if (!isAllowed) this.#deny(agent, 'commons')
    return isAllowed
  }

  #deny(agent: string, what: Denial): void {
    this.counts.denied[what] += 1
    this.lastDenied = { agent, what }
  }

  /** Names that only a credential gives: a claim to one of them is none. */
  isReserved(name: string): boolean {
    return this.#keyed.has(name) || this.permissions.names(name)
  }
}

/** '' = it proved none, whatever it claims. */
function provedName({ agent, trust }: { readonly agent: string; readonly trust: Trust }): string {
  return trust === 'verified' ? agent : ''
}
