/**
 * JSON Web Tokens (RFC 7519, RFC 8725). What can be refused for nothing is refused first: an issuer that is not
 * configured, an algorithm that is not allowed, a token that is over. A signature is checked once per token, and its
 * result kept under the token's hash until it is over or the issuer's keys change.
 */
import { hash } from 'node:crypto'
import type { JWTPayload } from 'jose'
import * as jose from 'jose'
import type { Millis } from '../core/model.ts'
import { compileIdPattern, anyOf } from '../policy/pattern.ts'
import { agentOfSubject, isAgentName } from './agent-name.ts'
import type { Algorithm } from './algorithms.ts'
import type { KeySet } from './key-set.ts'

export interface IssuerOptions {
  readonly issuer: string
  /** The token is for one of these. */
  readonly audiences: readonly string[]
  readonly algorithms: readonly Algorithm[]
  readonly toleranceMs: Millis
  /** The claim that names the agent. */
  readonly claim: string
  /** Put before each name of this issuer. */
  readonly prefix: string
  /** Patterns of the names that it may vouch for, prefix included. */
  readonly agents: readonly string[]
}

export interface Issuer {
  readonly options: IssuerOptions
  readonly keySet: KeySet
}

/** Why a token is nobody's; `unavailable` = nobody can say, `busy` = nobody has time to. */
export type TokenVerdict =
  | { readonly is: 'agent'; readonly agent: string }
  | { readonly is: 'wrong' | 'unavailable' | 'busy' }

const WRONG: TokenVerdict = { is: 'wrong' }
const UNAVAILABLE: TokenVerdict = { is: 'unavailable' }
const BUSY: TokenVerdict = { is: 'busy' }

/** A Kubernetes token has 1 KiB; whatever is longer than this carries things that are none of ours. */
const LONGEST = 8192
/** Tokens remembered at once; 10,000 are 3 MB. */
const REMEMBERED = 10_000
/** promises.md 2: a result is believed for ten minutes at most. */
const BELIEVED_MS: Millis = 10 * 60_000
/** Refused ones, so that the same wrong token costs one signature and not one per call. */
const REFUSED_REMEMBERED = 1024
/** Signatures being checked at once: what waits here holds a request open. */
const PENDING = 128

interface Known {
  readonly verdict: TokenVerdict & { readonly is: 'agent' }
  /** Wall clock. */
  readonly until: number
  readonly issuer: Reading
  readonly generation: number
}

interface Reading extends Issuer {
  readonly mayVouch: (agent: string) => boolean
  resolver:
    | { readonly generation: number; readonly find: ReturnType<typeof jose.createLocalJWKSet> }
    | undefined
}

export class Tokens {
  readonly #issuers: ReadonlyMap<string, Reading>
  readonly #wall: () => number
  readonly #known = new Map<string, Known>()
  readonly #refused = new Set<string>()
  readonly #pending = new Map<string, Promise<TokenVerdict>>()

  constructor(issuers: readonly Issuer[], wall: () => number) {
    this.#wall = wall
    this.#issuers = new Map(
      issuers.map((issuer) => [
        issuer.options.issuer,
        { ...issuer, mayVouch: anyOf(issuer.options.agents.map(compileIdPattern)), resolver: undefined },
      ]),
    )
  }

  /** Three parts, as a JWS in compact form has them; a key has two. */
  static isLike(text: string): boolean {
    const dot = text.indexOf('.')
    return dot > 0 && text.includes('.', dot + 1)
  }

  get remembered(): number {
    return this.#known.size
  }

  get pending(): number {
    return this.#pending.size
  }

  /** At once when the token is known, or can be refused without its signature. */
  check(text: string): TokenVerdict | Promise<TokenVerdict> {
    if (text.length > LONGEST) return WRONG
    const digest = hash('sha256', text, 'base64')
    const known = this.#known.get(digest)
    if (known !== undefined) {
      if (known.until > this.#wall() && known.generation === known.issuer.keySet.generation)
        return known.verdict
      this.#known.delete(digest)
    }
    if (this.#refused.has(digest)) return WRONG
    const pending = this.#pending.get(digest)
    if (pending !== undefined) return pending
    const issuer = this.#issuerOf(text)
    if (issuer === undefined) return WRONG
    if (issuer.keySet.keys === undefined) {
      void issuer.keySet.refresh()
      return UNAVAILABLE
    }
    if (this.#pending.size >= PENDING) return BUSY
    const work = this.#verify(text, digest, issuer).finally(() => this.#pending.delete(digest))
    this.#pending.set(digest, work)
    return work
  }

  /** Whose token it says it is, if it could be good at all; nothing of it is believed yet. */
  #issuerOf(text: string): Reading | undefined {
    try {
      const { alg } = jose.decodeProtectedHeader(text)
      const { iss, exp } = jose.decodeJwt(text)
      const issuer = iss === undefined ? undefined : this.#issuers.get(iss)
      if (issuer === undefined || exp === undefined) return undefined
      const { algorithms, toleranceMs } = issuer.options
      const isAllowed = algorithms.some((algorithm) => algorithm === alg)
      return isAllowed && exp * 1000 + toleranceMs > this.#wall() ? issuer : undefined
    } catch {
      return undefined
    }
  }

  async #verify(text: string, digest: string, issuer: Reading): Promise<TokenVerdict> {
    const { generation } = issuer.keySet
    try {
      const payload = await this.#payload(text, issuer)
      if (payload === undefined) return UNAVAILABLE
      const agent = agentIn(payload, issuer)
      const wall = this.#wall()
      const until = Math.min(wall + BELIEVED_MS, (payload.exp ?? 0) * 1000 + issuer.options.toleranceMs)
      if (agent !== '') {
        const verdict = { is: 'agent', agent } as const
        this.#remember(digest, { verdict, until, issuer, generation: issuer.keySet.generation })
        return verdict
      }
    } catch {
      // What is wrong with it is nobody's business but the operator's, who has the counter.
    }
    if (generation === issuer.keySet.generation) this.#refuse(digest)
    return WRONG
  }

  /** Undefined = the keys are gone. @throws when the token is not good */
  async #payload(text: string, issuer: Reading): Promise<JWTPayload | undefined> {
    try {
      return await this.#payloadBy(text, issuer)
    } catch (error) {
      if (!(error instanceof jose.errors.JWKSNoMatchingKey)) throw error
      const before = issuer.keySet.generation
      await issuer.keySet.refresh()
      if (issuer.keySet.generation === before) throw error
      return this.#payloadBy(text, issuer)
    }
  }

  async #payloadBy(text: string, issuer: Reading): Promise<JWTPayload | undefined> {
    const { keySet, options } = issuer
    const { keys, generation } = keySet
    if (keys === undefined) return undefined
    if (issuer.resolver?.generation !== generation) {
      issuer.resolver = { generation, find: jose.createLocalJWKSet(keys) }
    }
    const { payload } = await jose.jwtVerify(text, issuer.resolver.find, {
      issuer: options.issuer,
      audience: [...options.audiences],
      algorithms: [...options.algorithms],
      clockTolerance: options.toleranceMs / 1000,
      requiredClaims: ['exp'],
      currentDate: new Date(this.#wall()),
    })
    return payload
  }

  #remember(digest: string, known: Known): void {
    if (this.#known.size >= REMEMBERED) {
      // The oldest goes: it is checked again if it comes again.
      for (const oldest of this.#known.keys()) {
        this.#known.delete(oldest)
        break
      }
    }
    this.#known.set(digest, known)
  }

  #refuse(digest: string): void {
    if (this.#refused.size >= REFUSED_REMEMBERED) this.#refused.clear()
    this.#refused.add(digest)
  }

  /** The keys of an issuer have changed: what was refused may be good. */
  forget(): void {
    this.#refused.clear()
  }
}

function agentIn(payload: JWTPayload, { options, mayVouch }: Reading): string {
  const value = payload[options.claim]
  const agent = typeof value === 'string' ? agentOfSubject(value) : ''
  if (agent === '') return ''
  const name = options.prefix + agent
  return isAgentName(name) && mayVouch(name) ? name : ''
}
