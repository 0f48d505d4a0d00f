/**
 * `weir-proxy/admit`: asks a Weir before a step, keeps its place in line, says how it ended. Fails open: a Weir that does
 * not answer stops no work, unless that is wanted.
 */
import { randomUUID } from 'node:crypto'
import type { Ask, Report } from '../admit/ask.ts'
import type { Admission } from '../admit/routes.ts'
import type { Millis } from '../core/model.ts'
import { CallRefused } from './refused.ts'
import { currentScope } from './scope.ts'

export { CallRefused } from './refused.ts'
export { withAgent, withPriority, withWorkflow } from './scope.ts'

/** What is about to be done; see docs/admit.md. Names that are absent are those of `withAgent` and `withWorkflow`. */
export type Step = Omit<Ask, 'waitMs' | 'patienceMs' | 'leaseMs'>

export interface AdmitClientOptions {
  /** Base of the agents' listener, such as `http://127.0.0.1:8080`. */
  readonly weir: string | URL
  /** Sent with every request: credentials for Weir. */
  readonly headers?: Readonly<Record<string, string>>
  /** Until an answer is there, besides the time that Weir was asked to wait. Default: 2000. */
  readonly timeoutMs?: Millis
  /** Silence after which Weir gives a step up; it is kept alive meanwhile. Default: 60000. */
  readonly leaseMs?: Millis
  /** A Weir that does not answer: work all the same, or fail. Default: go. */
  readonly onUnreachable?: 'go' | 'error'
  readonly fetch?: typeof globalThis.fetch
}

export interface EnterOptions {
  /** How long to wait in line; 0 = take an instant to come back instead. Default: 0. */
  readonly waitMs?: Millis
  readonly signal?: AbortSignal
}

/** Leave to go on. */
export interface Pass {
  /** False = Weir was not there to be asked. */
  readonly isCoordinated: boolean
  readonly reason: string
  /** Id of the rule that decided; '' = none did. */
  readonly rule: string
  readonly heldMs: Millis
  /** Says how it ended, once. Answers in how many ms to try again where the upstream refused and Weir has a slot. */
  end(report: Report): Promise<Millis | undefined>
}

/** One request waits at most so long: below the idle timeout of load balancers (60 s on AWS). */
const SLICE_MS: Millis = 25_000
/** A Weir that was not there is not asked again for so long: a step must not pay for it each time. */
const GONE_MS: Millis = 1000
/** A ticket lives in one process: a Weir that restarts, or another worker, does not know it. Asked anew so often. */
const MOST_ASKED_ANEW = 3
const TIMEOUT_MS: Millis = 2000
const LEASE_MS: Millis = 60_000

export class AdmitClient {
  readonly #options: AdmitClientOptions
  readonly #base: string
  #goneUntil: Millis = 0

  /** @throws TypeError for an address that is none */
  constructor(options: AdmitClientOptions) {
    this.#options = options
    this.#base = `${new URL(options.weir).href.replace(/\/+$/, '')}/weir/v1/admit`
  }

  /**
   * Resolves when the step may begin.
   * @throws CallRefused with the time until its slot, or without one when it is refused for good; the reason of `signal`
   */
  async enter(step: Step, { waitMs = 0, signal }: EnterOptions = {}): Promise<Pass> {
    const { leaseMs = LEASE_MS } = this.#options
    const until = performance.now() + waitMs
    const patience = (): Millis => Math.max(0, Math.floor(until - performance.now()))
    const once = step.once ?? randomUUID()
    const ask = (): Promise<Admission | undefined> => {
      const left = patience()
      const slice = Math.min(SLICE_MS, left)
      const asked = { ...named(step), once, patienceMs: left, leaseMs, waitMs: slice }
      return this.#post('', asked, slice, signal)
    }
    let answer = await ask()
    let lost = 0
    while (answer?.answer === 'wait') {
      const left = Math.min(SLICE_MS, patience())
      // What is in line at the end of its patience is told so by Weir; this bounds a Weir that says nothing.
      if (left === 0 && performance.now() > until + TIMEOUT_MS) break
      const next = await this.#askOn(answer.ticket, left, signal)
      if (next !== 'lost') answer = next
      else answer = (lost += 1) > MOST_ASKED_ANEW ? this.#forgotten() : await ask()
    }
    if (answer === undefined) return UNCOORDINATED
    if (answer.answer === 'go') return this.#pass(answer, leaseMs)
    throw refusalOf(answer)
  }

  /**
   * Does `work` when it may, and says how it ended: by what `statusOf` finds in its result or error.
   * @throws as `enter`, and what `work` throws
   */
  async run<T>(step: Step, work: () => Promise<T>, options: EnterOptions = {}): Promise<T> {
    const pass = await this.enter(step, options)
    try {
      const result = await work()
      await pass.end({ ended: 'success' })
      return result
    } catch (error) {
      await pass.end(endingOf(error, options.signal))
      throw error
    }
  }

  #pass(answer: Extract<Admission, { answer: 'go' }>, leaseMs: Millis): Pass {
    const { ticket, reason, rule = '', heldMs } = answer
    const alive = setInterval(() => void this.#post(`/${ticket}`, {}, 0).catch(ignore), leaseMs / 3)
    alive.unref()
    let isEnded = false
    return {
      isCoordinated: true,
      reason,
      rule,
      heldMs,
      end: async (report) => {
        if (isEnded) return undefined
        isEnded = true
        clearInterval(alive)
        return await this.#tell(ticket, report)
      },
    }
  }

  /** Waits on in line; lost = nobody knows the ticket any more, which is no fault of the step's. */
  async #askOn(
    ticket: string,
    waitMs: Millis,
    signal?: AbortSignal,
  ): Promise<Admission | undefined | 'lost'> {
    try {
      return await this.#post(`/${ticket}`, { waitMs: Math.max(waitMs, 50) }, waitMs, signal)
    } catch (error) {
      if (isUnknown(error)) return 'lost'
      void this.#tell(ticket, { ended: 'cancelled' })
      throw error
    }
  }

  /** A Weir that forgets each ticket is as good as none. */
  #forgotten(): undefined {
    if (this.#options.onUnreachable === 'error')
      throw new AdmitError(404, 'each ticket was lost while it waited')
  }

  /**
   * Says how it ended, whether or not Weir was there a moment ago, and once more later where nobody was: until then its
   * place is taken, and the upstream's refusal unheard of.
   */
  async #tell(ticket: string, report: Report): Promise<Millis | undefined> {
    const tell = (): Promise<Admission | undefined | 'lost'> =>
      this.#send(`/${ticket}`, report, 0).catch((error: unknown) => (isOurs(error) ? 'lost' : undefined))
    const told = await tell()
    if (told === undefined) setTimeout(() => void tell(), GONE_MS).unref()
    return typeof told === 'object' && told.answer === 'ended' ? told.waitMs : undefined
  }

  /** Undefined = nobody is there, and that is to be borne. */
  async #post(
    place: string,
    body: object,
    waitMs: Millis,
    signal?: AbortSignal,
  ): Promise<Admission | undefined> {
    const mayGo = this.#options.onUnreachable !== 'error'
    if (mayGo && performance.now() < this.#goneUntil) return undefined
    try {
      return await this.#send(place, body, waitMs, signal)
    } catch (error) {
      signal?.throwIfAborted()
      // What is wrong with the question itself has to be heard of.
      if (isOurs(error) || !mayGo) throw error
      this.#goneUntil = performance.now() + GONE_MS
      return undefined
    }
  }

  async #send(place: string, body: object, waitMs: Millis, signal?: AbortSignal): Promise<Admission> {
    const { fetch = globalThis.fetch, headers = {}, timeoutMs = TIMEOUT_MS } = this.#options
    signal?.throwIfAborted()
    const late = AbortSignal.timeout(timeoutMs + waitMs)
    const response = await fetch(`${this.#base}${place}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      signal: signal === undefined ? late : AbortSignal.any([signal, late]),
    })
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `routes.ts` says that Weir answers
    if (response.ok) return (await response.json()) as Admission
    throw new AdmitError(response.status, await response.text())
  }
}

/** Weir did not understand, or not permit, a question. */
export class AdmitError extends Error {
  override readonly name = 'AdmitError'
  readonly status: number

  constructor(status: number, text: string) {
    super(`Weir answered ${status}: ${text.slice(0, 500)}`)
    this.status = status
  }
}

/** The question is wrong, and would be wrong again. */
function isOurs(error: unknown): boolean {
  return error instanceof AdmitError && error.status < 500 && error.status !== 429
}

function isUnknown(error: unknown): boolean {
  return error instanceof AdmitError && error.status === 404
}

const UNCOORDINATED: Pass = {
  isCoordinated: false,
  reason: 'unreachable',
  rule: '',
  heldMs: 0,
  end: () => Promise.resolve(undefined),
}

function named(step: Step): Step {
  const { agent, workflow, parent, priority } = currentScope()
  return {
    ...(agent === '' ? {} : { agent }),
    ...(workflow === '' ? {} : { workflow }),
    ...(parent === '' ? {} : { parent }),
    ...(priority === undefined ? {} : { priority }),
    ...step,
  }
}

function refusalOf(answer: Admission): CallRefused {
  const { reason = 'deadline', rule = '' } = 'reason' in answer ? answer : {}
  const waitMs = 'waitMs' in answer ? answer.waitMs : undefined
  const when = waitMs === undefined ? 'for good' : `until its slot in ${waitMs} ms`
  const by = rule === '' ? '' : `, by ${rule}`
  const verdict = answer.answer === 'wait' ? 'hold' : 'shed'
  return new CallRefused(`Weir refused the step ${when} (${reason}${by})`, { verdict, reason, rule, waitMs })
}

/** What an error says of the upstream: SDKs carry the status of its answer in one of three places. */
export function endingOf(error: unknown, signal?: AbortSignal): Report {
  if (signal?.aborted === true) return { ended: 'cancelled' }
  const status = statusIn(error) ?? statusIn(property(error, 'response'))
  return status === undefined ? { ended: 'failure' } : { status }
}

function statusIn(value: unknown): number | undefined {
  for (const name of ['status', 'statusCode']) {
    const status = property(value, name)
    if (typeof status === 'number' && Number.isInteger(status) && status >= 100 && status <= 599)
      return status
  }
  return undefined
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}

function ignore(): undefined {
  return undefined
}

/** A text as a name: what a name may not hold becomes `-`. */
export function asName(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9._:-]/g, '-').slice(0, 128)
  return name === '' ? '-' : name
}
