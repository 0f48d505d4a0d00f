/**
 * A whole core in this process, around whatever sends requests from here: what it passes goes on, what it holds waits
 * in a promise, what it refuses is answered, thrown or waited out. There is no second core than that of the proxy; this
 * one sees only what this process does.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { refusalText, type Refused, type RefusalText } from '../admit/refusal.ts'
import { Turn, type Decision } from '../admit/turn.ts'
import { createCoordinator, type Coordinator } from '../core/coordinator.ts'
import type { CoreEvent, Millis } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import type { CoreReading } from '../core/reading.ts'
import { compilePolicy, type Compiled } from '../policy/compile.ts'
import { loadPolicies, parsePolicy } from '../policy/load.ts'
import { formatProblem } from '../policy/problems.ts'
import { CallTable } from '../proxy/call-table.ts'
import { driveCore, type DrivenCore } from '../proxy/core-driver.ts'
import { guessDialect } from '../proxy/guess-dialect.ts'
import { Guests } from '../proxy/guests.ts'
import { createIdentifier } from '../proxy/identify.ts'
import { DIALECTS, type Dialect } from '../proxy/options.ts'
import { createRouter } from '../proxy/route.ts'
import type { Caller } from './carried.ts'
import { CallRefused } from './refused.ts'
import type { Traces } from './scope.ts'

/** An answer as the upstream would give it, for the SDK's own retry; an exception; or patience. */
export type OnRefusal = 'answer' | 'throw' | 'wait'

export interface CoordinationOptions {
  /** By name: the base of the URLs that go there. Requests to anywhere else are none of Weir's business. */
  readonly upstreams: Readonly<
    Record<string, string | URL | { readonly url: string | URL; readonly dialect?: Dialect }>
  >
  /** Policy files and folders; absent = the shipped default, which only watches. */
  readonly policies?: readonly string[]
  /** The text of one policy file, in place of `policies`. */
  readonly policy?: string
  /** Name of whoever calls outside of every `withAgent`. */
  readonly agent?: string
  /** Calls that get a `traceparent` where they have none. Default: workflow. */
  readonly traces?: Traces
  /** Default: answer. */
  readonly onRefusal?: OnRefusal
  /** The longest a call is held or, with `wait`, waits altogether; absent = as its client's own timeouts say. */
  readonly patienceMs?: Millis
  readonly onEvent?: (event: CoreEvent) => void
  /** For tests; monotonic ms. */
  readonly clock?: () => Millis
  readonly seed?: number
}

/** A request as far as Weir reads it. */
export interface Outgoing {
  readonly method: string
  readonly url: string
  /** Flat names and values. */
  readonly rawHeaders: readonly string[]
  /** Of the body; -1 = unknown. */
  readonly bytes: number
}

/** Either it may go, as a turn that has begun, or here is why not. */
export type Passage =
  | { readonly is: 'go'; readonly turn: Turn; readonly url: string; readonly family: string }
  | { readonly is: 'refused'; readonly text: RefusalText; readonly error: CallRefused }

interface Member {
  readonly name: string
  /** Without a slash at its end. */
  readonly base: string
  readonly dialect: Dialect
}

const DEFAULT_POLICY = fileURLToPath(new URL('../../policies/default.yaml', import.meta.url))
/** Until a hold ends that the core should have ended. */
const BACKSTOP_MS: Millis = 1000
/** With `wait` and no patience said: as long as `fetch` itself waits for an answer. */
const WAIT_MS: Millis = 300_000
const URL_BYTES = 64 * 1024
/** How `fetch` of Node looks on the wire; the marks are added below us. */
const FETCH_MARKS = ['accept-language', '*'] as const

export class Coordination {
  readonly #members: readonly Member[]
  /** The longest base first. */
  readonly #search: readonly (Member & { readonly index: number })[]
  readonly #core: DrivenCore
  readonly #guests: Guests
  readonly #policy: Policy
  readonly #options: CoordinationOptions
  readonly clock: () => Millis

  /** @throws TypeError with every problem of the policies, or of the upstreams */
  constructor(options: CoordinationOptions) {
    this.#options = options
    this.clock = options.clock ?? (() => performance.now())
    this.#members = Object.entries(options.upstreams).map(([name, given]) => memberOf(name, given))
    this.#search = this.#members
      .map((member, index) => ({ ...member, index }))
      .toSorted((one, other) => other.base.length - one.base.length)
    const upstreams = this.#members.map(({ name }) => name)
    this.#policy = policyOf(options, upstreams)
    const bare: Coordinator = createCoordinator({
      policy: this.#policy,
      upstreams,
      seed: options.seed ?? randomInt(2 ** 32),
    })
    this.#core = driveCore(bare, this.clock, (directive) => {
      if (directive.do === 'announce') options.onEvent?.(directive.event)
      else this.#guests.directive(directive)
    })
    this.#guests = new Guests({
      core: this.#core,
      clock: this.clock,
      calls: new CallTable(),
      route: createRouter(
        this.#members.map(({ name }) => ({ name, basePath: '' })),
        { urlBytes: URL_BYTES },
      ),
      identify: createIdentifier({ hashKey: randomBytes(32), agentHeader: '' }),
    })
  }

  get caller(): Caller {
    return this.#options
  }

  get onRefusal(): OnRefusal {
    return this.#options.onRefusal ?? 'answer'
  }

  /** Whether a request to this place is coordinated at all. */
  covers(url: string): boolean {
    return this.#find(url) !== undefined
  }

  /** As the operator's API of a Weir would say it. */
  read(): CoreReading {
    return this.#core.read(this.clock())
  }

  /** Ends the timer; calls that are open stay as they are. */
  close(): void {
    this.#core.stop()
  }

  /**
   * Asks for one request, and waits as the policies and `onRefusal` say. Undefined = none of Weir's business.
   * @throws the reason of `signal` when it is aborted meanwhile
   */
  async admit(outgoing: Outgoing, signal?: AbortSignal): Promise<Passage | undefined> {
    const { patienceMs = WAIT_MS } = this.#options
    const until = this.clock() + patienceMs
    for (;;) {
      const asked = this.#begin(outgoing)
      if (asked === undefined) return undefined
      const { turn, family, member, rest } = asked
      const decision = await this.#decided(turn, signal)
      if (decision.is === 'go') {
        const url = `${this.#members[decision.upstream]!.base}${rest}`
        return { is: 'go', turn, family, url: decision.upstream === member.index ? outgoing.url : url }
      }
      const mayWait = this.onRefusal === 'wait' && decision.is === 'slot' && decision.at <= until
      if (!mayWait) return this.#refused(decision, family, member.dialect)
      await pause(decision.at - this.clock(), signal)
    }
  }

  #begin(outgoing: Outgoing): Asked | undefined {
    const found = this.#find(outgoing.url)
    if (found === undefined) return undefined
    const { member, rest } = found
    const turn = new Turn(this.#guests, { decided: () => this.#deciding.get(turn)?.() })
    const { method, bytes } = outgoing
    const rawHeaders = [...outgoing.rawHeaders, ...FETCH_MARKS]
    const target = `/${member.name}${rest}`
    const identified = this.#guests.identify({ method, target, rawHeaders, remoteAddress: '' }, turn.arrival)
    if (!identified.ok) {
      // Whatever Weir could not forward itself goes on as if nobody had asked.
      turn.leave()
      return undefined
    }
    const { arrival } = turn
    arrival.bytes = bytes
    arrival.deferrable = false
    arrival.patienceMs = Math.min(arrival.patienceMs, this.#options.patienceMs ?? Infinity)
    return { turn, member, rest, family: arrival.family }
  }

  readonly #deciding = new Map<Turn, () => void>()

  async #decided(turn: Turn, signal: AbortSignal | undefined): Promise<Exclude<Decision, { is: 'wait' }>> {
    if (signal?.aborted === true) {
      turn.leave()
      throw signal.reason
    }
    const first = turn.ask()
    if (first.is !== 'wait') return first
    // This timer also keeps the process alive: the core's own does not.
    const stopped = await new Promise<boolean>((resolve) => {
      const end = (isStopped: boolean): void => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', stop)
        this.#deciding.delete(turn)
        resolve(isStopped)
      }
      const stop = (): void => end(true)
      const timer = setTimeout(() => end(false), Math.max(0, first.until - this.clock()) + BACKSTOP_MS)
      this.#deciding.set(turn, () => end(false))
      signal?.addEventListener('abort', stop)
    })
    if (stopped) {
      turn.leave()
      throw signal?.reason
    }
    const { decision } = turn
    if (decision !== undefined && decision.is !== 'wait') return decision
    turn.leave()
    return { ...first, is: 'refused' }
  }

  #refused(decision: Refused, family: string, dialect: Dialect): Passage {
    const { verdict, reason, rule } = decision
    const text = refusalText(decision, { family, dialect, callId: '' }, this.clock())
    const waitMs = decision.is === 'slot' ? Math.max(0, decision.at - this.clock()) : undefined
    const name = this.#policy.rules[rule]?.id ?? ''
    const when = waitMs === undefined ? 'for good' : `until its slot in ${Math.ceil(waitMs)} ms`
    const by = name === '' ? '' : `, by ${name}`
    const error = new CallRefused(`Weir refused the call ${when} (${reason}${by})`, {
      verdict,
      reason,
      rule: name,
      waitMs,
    })
    return { is: 'refused', text, error }
  }

  #find(
    url: string,
  ): { readonly member: Member & { readonly index: number }; readonly rest: string } | undefined {
    for (const member of this.#search) {
      if (!url.startsWith(member.base)) continue
      const rest = url.slice(member.base.length).split('#', 1)[0]!
      if (rest === '' || rest.startsWith('?')) return { member, rest: `/${rest}` }
      if (rest.startsWith('/')) return { member, rest }
    }
    return undefined
  }
}

interface Asked {
  readonly turn: Turn
  readonly member: Member & { readonly index: number }
  readonly rest: string
  readonly family: string
}

function memberOf(name: string, given: CoordinationOptions['upstreams'][string]): Member {
  const { url, dialect } =
    typeof given === 'string' || given instanceof URL ? { url: given, dialect: undefined } : given
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name) || name === 'weir') {
    throw new TypeError(
      `upstreams: '${name}' is no name; allowed: a-z, 0-9 and -, at most 63 characters, not weir`,
    )
  }
  if (!URL.canParse(String(url))) throw new TypeError(`upstreams.${name}: '${String(url)}' is no URL`)
  if (dialect !== undefined && !DIALECTS.includes(dialect)) {
    throw new TypeError(
      `upstreams.${name}: unknown dialect '${dialect as string}'; allowed: ${DIALECTS.join(', ')}`,
    )
  }
  const parsed = new URL(url)
  return {
    name,
    base: `${parsed.origin}${parsed.pathname}`.replace(/\/+$/, ''),
    dialect: dialect ?? guessDialect(name, parsed.hostname),
  }
}

function policyOf({ policies, policy }: CoordinationOptions, upstreams: readonly string[]): Policy {
  // Nothing is answered later in here: a rule that says so is refused, not bent.
  const options = { upstreams, deferral: false } as const
  const compiled =
    policy === undefined ? loadPolicies(policies ?? [DEFAULT_POLICY], options) : textOf(policy, options)
  if (compiled.ok) return compiled.policy
  throw new TypeError(compiled.problems.map(formatProblem).join('\n'))
}

function textOf(policy: string, options: { upstreams: readonly string[]; deferral: false }): Compiled {
  const { file, problems } = parsePolicy('policy', policy)
  return file === undefined ? { ok: false, problems } : compilePolicy([file], options)
}

/** @throws the reason of `signal` when it is aborted */
async function pause(ms: Millis, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(
      () => {
        signal?.removeEventListener('abort', stop)
        resolve()
      },
      Math.max(0, Math.ceil(ms)),
    )
    signal?.addEventListener('abort', stop, { once: true })
  })
}
