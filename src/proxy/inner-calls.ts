/**
 * Calls that Weir makes to itself: a deferred call is run by sending it, as HTTP, over a pair of streams to the very
 * listener that agents use. So it meets the same parser, the same core and the same limits as any other, and there
 * is no second way through the proxy. It is known by its stream, which no client can have.
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { duplexPair, type Duplex } from 'node:stream'
import type { Coordinator } from '../core/coordinator.ts'
import type { Millis, Outcome } from '../core/model.ts'
import type { RunResult } from '../defer/judge-run.ts'
import type { AnswerMessage } from '../defer/packed-message.ts'
import type { Carry, RunOrder } from '../defer/runner.ts'
import type { Call } from './call.ts'
import type { Responder } from './respond.ts'

/** One run, from the side of the proxy. */
export interface InnerRun {
  readonly order: RunOrder
  /** The order was told to start: bytes may go out. */
  isStarted: boolean
  /** How the call ended; undefined = it did not become one. */
  ended:
    | {
        readonly outcome: Outcome
        readonly wasSent: boolean
        readonly isFinal: boolean
        readonly slotMs: Millis
      }
    | undefined
}

export interface InnerCalls {
  readonly carry: Carry
  runOf(socket: Duplex): InnerRun | undefined
}

/** Reads slots to the millisecond, up to a minute, and is never sent around: see `core/families.ts`. */
const RUN_FAMILY = 'openai-js'

/** @param connect hands the other end of a connection to the listener */
export function createInnerCalls(connect: (socket: Duplex) => void, wall: () => Millis): InnerCalls {
  const runs = new WeakMap<Duplex, InnerRun>()

  async function carry(order: RunOrder): Promise<RunResult> {
    const run: InnerRun = { order, isStarted: false, ended: undefined }
    const [near, far] = duplexPair()
    runs.set(far, run)
    let answer: AnswerMessage | undefined
    let isTooLarge = false
    try {
      connect(far)
      const read = await exchange(order, near, wall)
      if (read === 'too-large') isTooLarge = true
      else answer = read
    } catch {
      // No whole answer: what is known of the call says the rest.
    }
    near.destroy()
    far.destroy()
    await settled(run)
    const { ended } = run
    const isUpstreams = ended?.outcome === 'passed' || ended?.outcome === 'passed-after-hold'
    return {
      answer,
      isUpstreams,
      isTooLarge,
      // Whoever cannot say what became of a started call must take it for sent.
      wasSent: ended?.wasSent ?? run.isStarted,
      isFinal: ended?.isFinal ?? false,
      slotMs: ended?.slotMs ?? -1,
    }
  }

  return { carry, runOf: (socket) => runs.get(socket) }
}

/** The end of the call follows the end of its answer within a turn or two of the event loop. */
async function settled(run: InnerRun): Promise<void> {
  for (let turns = 0; run.ended === undefined && turns < 50; turns += 1) {
    await new Promise((resolve) => setTimeout(resolve, turns < 5 ? 0 : 10))
  }
}

async function exchange(
  order: RunOrder,
  socket: Duplex,
  wall: () => Millis,
): Promise<AnswerMessage | 'too-large'> {
  const { method, target, rawHeaders, body } = order.message
  const headers = [...rawHeaders]
  if (body.length > 0 || method === 'POST' || method === 'PUT' || method === 'PATCH') {
    headers.push('content-length', String(body.length))
  }
  return await new Promise((resolve, reject) => {
    // Given as a list, so that order, case and repetition stay; nothing is added to it.
    const sent: ClientRequest = httpRequest({
      method,
      path: target,
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a flat list is allowed and not in the types
      headers: headers as unknown as string[] & Record<string, string>,
      createConnection: () => socket,
    })
    sent.on('error', reject)
    sent.on('response', (response: IncomingMessage) => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > order.mostAnswerBytes) resolve('too-large')
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        if (!response.complete) {
          reject(new Error('the answer was cut'))
          return
        }
        const { statusCode = 0, statusMessage = '' } = response
        resolve({
          status: statusCode,
          statusText: statusMessage,
          rawHeaders: response.rawHeaders,
          body: Buffer.concat(chunks, bytes),
          endedAt: wall(),
        })
      })
    })
    sent.end(body)
  })
}

/** The call is that of the agent who made it, whatever connection it comes over. */
export function becomeRun(call: Call, run: InnerRun): void {
  const { facts, attempt, patienceMs } = run.order
  const { arrival } = call
  call.run = run
  arrival.agent = facts.agent
  arrival.trust = facts.trust
  arrival.workflow = facts.workflow
  arrival.parent = facts.parent
  arrival.priority = facts.priority
  arrival.patienceMs = patienceMs
  arrival.family = RUN_FAMILY
  arrival.deferrable = false
  if (attempt > 1) arrival.attempt = attempt
}

/** Notes how the call of a run ended, for whoever judges the run. */
export function endRun(run: InnerRun, call: Call, outcome: Outcome, now: Millis): void {
  const slotAt = call.verdict?.slotAt ?? 0
  const isRefused = outcome === 'shed'
  run.ended = {
    outcome,
    wasSent: run.isStarted && call.sentAt > 0,
    isFinal: isRefused && slotAt === 0,
    slotMs: isRefused && slotAt > 0 ? Math.max(0, slotAt - now) : -1,
  }
}

export interface RunGateRoom {
  readonly core: Coordinator
  readonly clock: () => Millis
  readonly respond: Responder
  readonly calls: { end(call: Call): void }
}

/**
 * Between the verdict and the wire: the call of a run goes on when it is durably marked as started, and not at all
 * when somebody else has it. Other calls go on at once.
 */
export function createRunGate(forward: (call: Call) => void, room: RunGateRoom): (call: Call) => void {
  const { core, clock, respond, calls } = room

  function stop(call: Call): void {
    const { slot, bytesIn, bytesOut } = call
    call.outcome = 'upstream-error'
    respond.refuse(call, 'internal')
    core.settle({ call: slot, at: clock(), kind: 'ignored', status: 0, answered: false, bytesIn, bytesOut })
    calls.end(call)
  }

  async function start(call: Call, run: InnerRun): Promise<void> {
    call.phase = 'forwarding'
    run.isStarted = await run.order.start().catch(() => false)
    if (call.phase !== 'forwarding') return
    if (run.isStarted) forward(call)
    else stop(call)
  }

  return (call) => {
    if (call.run === undefined) forward(call)
    else void start(call, call.run)
  }
}
