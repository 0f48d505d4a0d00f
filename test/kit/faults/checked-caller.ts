/**
 * A client that judges what it gets: the upstream's own whole answer, an answer that Weir authored, a visible break,
 * or what must never be: somebody else's bytes, half an answer that looks whole, or nothing.
 */
import { Agent, request, type Dispatcher } from 'undici'
import { DIGEST_HEADER, digestOf, documentOf, ECHO_HEADER, framesOf, ID_HEADER } from './echo-upstream.ts'

/**
 * whole: the upstream's answer to this call, to the last byte. own: Weir's answer, and it says so. cut: an answer
 * began and visibly broke off. refused: the connection ended before an answer began. left: the client left on
 * purpose. wrong: anything else that looks like an answer. lost: nothing came in time.
 */
export const ENDINGS = ['whole', 'own', 'cut', 'refused', 'left', 'wrong', 'lost'] as const
export type Ending = (typeof ENDINGS)[number]

export interface CallPlan {
  readonly id: string
  /** Name of the upstream in Weir's config. */
  readonly upstream: string
  readonly agent: string
  readonly workflow?: string
  readonly bytesIn?: number
  readonly bytesOut?: number
  /** More than 0: the answer is a stream of so many events. */
  readonly events?: number
  readonly gapMs?: number
  /** The client resets its connection after so long, answered or not. */
  readonly leaveAfterMs?: number
  readonly headers?: Readonly<Record<string, string>>
}

export interface CallResult {
  readonly id: string
  readonly ending: Ending
  readonly status: number
  /** `weir-reason` or `weir-problem` of an answer of Weir's own. */
  readonly reason: string
  readonly startedAt: number
  readonly endedAt: number
  /** Until an answer began, or the call failed without one. */
  readonly headMs: number
  /** The longest silence in the body. */
  readonly gapMs: number
  /** Of what was wrong or lost, for the report. */
  readonly note: string
  /** An SDK, which tells of a head only when all is over. */
  readonly isSdk: boolean
}

/** Statuses that Weir may author; a 500 is its own fault and never right. */
const OWN_STATUSES: ReadonlySet<number> = new Set([202, 403, 408, 413, 429, 502, 503, 504])

export class CheckedCaller {
  readonly #dispatcher: Agent
  readonly #origin: () => string
  readonly #giveUpMs: number

  /** @param giveUpMs after which a call counts as lost; far above every bound */
  constructor(origin: () => string, giveUpMs: number, connections = 256) {
    this.#origin = origin
    this.#giveUpMs = giveUpMs
    this.#dispatcher = new Agent({
      connections,
      pipelining: 1,
      headersTimeout: giveUpMs,
      bodyTimeout: giveUpMs,
      connect: { timeout: giveUpMs },
      // Below Weir's own, so that an idle connection is never closed under a request.
      keepAliveTimeout: 2000,
    })
  }

  async call(plan: CallPlan): Promise<CallResult> {
    const startedAt = performance.now()
    const leaving = new AbortController()
    const timer =
      plan.leaveAfterMs === undefined ? undefined : setTimeout(() => leaving.abort(), plan.leaveAfterMs)
    let headMs = -1
    const done = (ending: Ending, rest: Partial<CallResult> = {}): CallResult => {
      clearTimeout(timer)
      const endedAt = performance.now()
      const waited = headMs === -1 ? endedAt - startedAt : headMs
      return {
        id: plan.id,
        ending,
        status: 0,
        reason: '',
        startedAt,
        endedAt,
        gapMs: 0,
        note: '',
        isSdk: false,
        ...rest,
        headMs: waited,
      }
    }
    let answer: Dispatcher.ResponseData | undefined
    const gaps = { longestMs: 0 }
    const body = 'x'.repeat(plan.bytesIn ?? 100)
    try {
      answer = await request(`${this.#origin()}${targetOf(plan)}`, {
        dispatcher: this.#dispatcher,
        method: 'POST',
        signal: leaving.signal,
        headers: {
          'content-type': 'application/json',
          'weir-agent': plan.agent,
          ...(plan.workflow === undefined ? {} : { 'weir-workflow': plan.workflow }),
          [ID_HEADER]: plan.id,
          ...plan.headers,
        },
        body,
      })
      headMs = performance.now() - startedAt
      const text = await read(answer.body, gaps)
      const { statusCode: status, headers } = answer
      return done(...judge(plan, body, status, headers, text, gaps.longestMs))
    } catch (error) {
      if (leaving.signal.aborted) return done('left')
      const note =
        error instanceof Error ? `${'code' in error ? String(error.code) : ''} ${error.message}` : ''
      const isLate = performance.now() - startedAt >= this.#giveUpMs
      const status = answer?.statusCode ?? 0
      if (isLate) return done('lost', { status, note, gapMs: gaps.longestMs })
      return done(answer === undefined ? 'refused' : 'cut', { status, note, gapMs: gaps.longestMs })
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy()
  }
}

function targetOf({ upstream, bytesOut = 200, events = 0, gapMs = 0 }: CallPlan): string {
  return events > 0
    ? `/${upstream}/stream?events=${events}&gap=${gapMs}`
    : `/${upstream}/bytes?bytes=${bytesOut}`
}

async function read(body: Dispatcher.ResponseData['body'], gaps: { longestMs: number }): Promise<string> {
  const chunks: Buffer[] = []
  let lastAt = performance.now()
  for await (const chunk of body) {
    const now = performance.now()
    gaps.longestMs = Math.max(gaps.longestMs, now - lastAt)
    lastAt = now
    chunks.push(chunk as Buffer)
  }
  gaps.longestMs = Math.max(gaps.longestMs, performance.now() - lastAt)
  return Buffer.concat(chunks).toString('utf8')
}

function judge(
  plan: CallPlan,
  body: string,
  status: number,
  headers: Dispatcher.ResponseData['headers'],
  text: string,
  gapMs: number,
): [Ending, Partial<CallResult>] {
  const facts = { status, gapMs }
  if (headers['weir-source'] === 'proxy') {
    const reason = String(headers['weir-problem'] ?? headers['weir-reason'] ?? '')
    if (OWN_STATUSES.has(status)) return ['own', { ...facts, reason }]
    return ['wrong', { ...facts, reason, note: `Weir said ${status}: ${text.slice(0, 200)}` }]
  }
  const whose = headers[ECHO_HEADER]
  if (whose !== plan.id) return ['wrong', { ...facts, note: `the answer of ${String(whose)}` }]
  if (status !== 200) {
    return text.includes(`not ${plan.id}`)
      ? ['whole', facts]
      : ['wrong', { ...facts, note: `a refusal of somebody else: ${text.slice(0, 200)}` }]
  }
  if (headers[DIGEST_HEADER] !== digestOf(body))
    return ['wrong', { ...facts, note: 'the upstream got other bytes' }]
  const wanted =
    (plan.events ?? 0) > 0
      ? framesOf('/stream', plan.id, plan.events!).join('')
      : documentOf('/bytes', plan.id, plan.bytesOut ?? 200)
  if (text === wanted) return ['whole', facts]
  return [
    'wrong',
    { ...facts, note: `${text.length} bytes as a whole answer where ${wanted.length} were sent` },
  ]
}
