/** The client of the admission API, and the two orchestrators on top of it, against a whole Weir. */
import { afterEach, describe, expect, it } from 'vitest'
import { AdmitClient, AdmitError, CallRefused, withAgent } from '../../src/wrap/admit-client.ts'
import { coordinatedProcessor, type JobLike } from '../../src/wrap/bullmq.ts'
import { activityInterceptor, type ActivityContext } from '../../src/wrap/temporal.ts'
import { ONE_AT_A_TIME, startAskingWeir, type AskingWeir } from '../kit/asking-weir.ts'

let weir: AskingWeir
afterEach(async () => await weir.close())
const NEVER = 'version: 1\nrules:\n  - { name: no, mode: enforce, then: { do: shed, final: true } }\n'
const step = { upstream: 'openai', agent: 'planner' }
const caught = async (promise: Promise<unknown>): Promise<unknown> =>
  await promise.catch((error: unknown) => error)
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const open = (): number => weir.app.core.read(performance.now()).open

async function start(policy: string): Promise<AdmitClient> {
  weir = await startAskingWeir(policy)
  return new AdmitClient({ weir: weir.origin })
}

describe('the admission client', () => {
  it('runs a step when it may, one after the other, and says how each ended', async () => {
    const admit = await start(ONE_AT_A_TIME)
    const order: string[] = []
    const work = (name: string) => async (): Promise<string> => {
      order.push(`${name} begins`)
      await pause(30)
      order.push(`${name} ends`)
      return name
    }
    const names = ['a', 'b']
    await Promise.all(names.map((name) => admit.run(step, work(name), { waitMs: 5000 })))
    expect(order).toHaveLength(4)
    expect(order[1]).toBe(order[0]!.replace('begins', 'ends'))
    expect(weir.reading.settlements.success).toBe(2)
    expect(open()).toBe(0)
  })

  it('says in which instant to come back to who does not wait', async () => {
    const admit = await start(ONE_AT_A_TIME)
    const first = await admit.enter(step)
    const error = await caught(admit.enter(step))
    expect(error).toBeInstanceOf(CallRefused)
    expect(error).toMatchObject({ rule: 'policy/one', reason: 'concurrency-limit', isFinal: false })
    await first.end({ ended: 'success' })
  })

  it('reads how work ended from the error that it threw', async () => {
    const admit = await start('version: 1')
    const failing = (error: Error): Promise<unknown> =>
      caught(
        admit.run(step, async () => {
          throw error
        }),
      )
    await failing(Object.assign(new Error('rate'), { status: 429 }))
    await failing(Object.assign(new Error('axios'), { response: { status: 503 } }))
    await failing(new TypeError('fetch failed'))
    expect(weir.reading.settlements).toMatchObject({ dropped: 2, failure: 1 })
  })

  it('leaves the line when its caller does', async () => {
    const admit = await start(ONE_AT_A_TIME)
    const first = await admit.enter(step)
    const leaving = new AbortController()
    const second = caught(admit.enter(step, { waitMs: 9000, signal: leaving.signal }))
    await pause(100)
    leaving.abort(new Error('enough'))
    expect(await second).toMatchObject({ message: 'enough' })
    for (let tries = 0; tries < 100 && open() > 1; tries += 1) await pause(10)
    expect(open()).toBe(1)
    await first.end({ ended: 'cancelled' })
  })

  it('keeps a long step alive', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const admit = new AdmitClient({ weir: weir.origin, leaseMs: 1000 })
    await admit.run(step, () => pause(1800))
    expect(weir.reading.settlements.success).toBe(1)
  })

  it('takes the names of whoever it is called by', async () => {
    const admit = await start('version: 1')
    await withAgent('carried', () => admit.run({ upstream: 'openai' }, () => Promise.resolve()))
    expect(weir.app.core.agents(performance.now(), 9)[0]?.agent).toBe('carried')
  })

  it('stops no work when Weir is not there, unless that is wanted', async () => {
    const admit = await start('version: 1')
    const lost = { weir: 'http://127.0.0.1:1' }
    const pass = await new AdmitClient(lost).enter(step)
    expect([pass.isCoordinated, await pass.end({ status: 200 })]).toEqual([false, undefined])
    expect(await caught(new AdmitClient({ ...lost, onUnreachable: 'error' }).enter(step))).toBeInstanceOf(
      TypeError,
    )
    expect(await caught(admit.enter({ upstream: 'nobody' }))).toBeInstanceOf(AdmitError)
  })

  it('asks anew, as the same step, when the Weir that kept its place is another one now', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    const asked: string[] = []
    const first = await new AdmitClient({ weir: weir.origin }).enter(step)
    const admit = new AdmitClient({
      weir: weir.origin,
      fetch: async (url, init) => {
        const isQuestion = isAsked(url)
        const body = JSON.parse(init!.body as string) as { once?: string; waitMs: number }
        if (isQuestion) asked.push(body.once!)
        // Only the first question waits in vain; its ticket is of a process that is gone.
        if (isQuestion && asked.length === 1) return Response.json(elsewhere())
        if (isQuestion) await first.end({ ended: 'success' })
        return await fetch(url, init)
      },
    })
    const pass = await admit.enter(step, { waitMs: 9000 })
    expect([pass.isCoordinated, asked.length, new Set(asked).size]).toEqual([true, 2, 1])
    await pass.end({ ended: 'success' })
  })

  it('goes uncoordinated when every ticket is lost while it waits, unless that is not wanted', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    let questions = 0
    const forgetful: typeof fetch = (url, init) => {
      if (!isAsked(url)) return fetch(url, init)
      questions += 1
      return Promise.resolve(Response.json(elsewhere()))
    }
    const lost = { weir: weir.origin, fetch: forgetful }
    const pass = await new AdmitClient(lost).enter(step, { waitMs: 9000 })
    expect([pass.isCoordinated, questions]).toEqual([false, 4])
    const strict = new AdmitClient({ ...lost, onUnreachable: 'error' })
    expect(await caught(strict.enter(step, { waitMs: 9000 }))).toMatchObject({ status: 404 })
  })

  it('says how a step ended even just after Weir was not there', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    let isDown = false
    const admit = new AdmitClient({
      weir: weir.origin,
      fetch: (url, init) => (isDown ? Promise.reject(new TypeError('fetch failed')) : fetch(url, init)),
    })
    const first = await admit.enter(step)
    isDown = true
    expect((await admit.enter(step)).isCoordinated).toBe(false)
    isDown = false
    await first.end({ ended: 'success' })
    expect([open(), weir.reading.settlements.success]).toEqual([0, 1])
  })

  it('says once more, later, how a step ended when nobody heard it', async () => {
    weir = await startAskingWeir(ONE_AT_A_TIME)
    let isDown = false
    const admit = new AdmitClient({
      weir: weir.origin,
      fetch: (url, init) => (isDown ? Promise.reject(new TypeError('fetch failed')) : fetch(url, init)),
    })
    const first = await admit.enter(step)
    isDown = true
    expect(await first.end({ status: 200 })).toBeUndefined()
    expect(open()).toBe(1)
    isDown = false
    await expect.poll(open, { timeout: 5000 }).toBe(0)
    expect(weir.reading.settlements.success).toBe(1)
  })
})

/** Without a ticket: a new question. */
const isAsked = (url: Parameters<typeof fetch>[0]): boolean =>
  typeof url === 'string' && url.endsWith('/admit')

/** A place in line at a process that nobody reaches any more. */
const elsewhere = (): object => ({
  answer: 'wait',
  ticket: 'A'.repeat(22),
  reason: 'concurrency-limit',
  upstream: 'openai',
  heldMs: 0,
  waitMs: 9000,
  at: new Date().toISOString(),
})

class DelayedError extends Error {}
class UnrecoverableError extends Error {}

function job(moved: [number, string | undefined][]): JobLike {
  return {
    id: '7',
    name: 'verify',
    queueName: 'kyc',
    attemptsMade: 0,
    moveToDelayed: (at, token) => Promise.resolve(void moved.push([at, token])),
  }
}
const done = (): Promise<string> => Promise.resolve('done')
const refused = (): Promise<string> => Promise.reject(Object.assign(new Error('429'), { status: 429 }))

describe('the wrapper of a BullMQ processor', () => {
  it('runs a job that may go, and delays one that may not until its slot', async () => {
    const admit = await start(ONE_AT_A_TIME)
    const moved: [number, string | undefined][] = []
    const process = coordinatedProcessor(
      { admit, DelayedError, UnrecoverableError, waitMs: 0, stepOf: () => step },
      done,
    )
    expect(await process(job(moved), 'token')).toBe('done')
    const before = await admit.enter(step)
    const askedAt = Date.now()
    expect(await caught(process(job(moved), 'token'))).toBeInstanceOf(DelayedError)
    expect(moved).toEqual([[expect.any(Number), 'token']])
    expect(moved[0]![0]).toBeGreaterThan(askedAt)
    await before.end({ ended: 'success' })
  })

  it('fails a job for good that is refused for good, and leaves others alone', async () => {
    const admit = await start(NEVER)
    const asked = coordinatedProcessor(
      { admit, DelayedError, UnrecoverableError, stepOf: () => 'openai' },
      done,
    )
    expect(await caught(asked(job([])))).toBeInstanceOf(UnrecoverableError)
    const notAsked = coordinatedProcessor(
      { admit, DelayedError, UnrecoverableError, stepOf: () => undefined },
      done,
    )
    expect(await notAsked(job([]))).toBe('done')
  })

  it('brings a job that the upstream refused back at the slot that Weir gives, so often and no oftener', async () => {
    const admit = await start('version: 1\nrules:\n  - { name: all, mode: enforce, then: { do: hold } }\n')
    const given = { admit, DelayedError, UnrecoverableError, stepOf: () => step }
    const moved: [number, string | undefined][] = []
    const limited = coordinatedProcessor(given, refused)
    const askedAt = Date.now()
    expect(await caught(limited(job(moved), 'token'))).toBeInstanceOf(DelayedError)
    expect(moved).toEqual([[expect.any(Number), 'token']])
    expect(moved[0]![0]).toBeGreaterThan(askedAt)
    const tired = { ...job(moved), attemptsStarted: 52 }
    expect(await caught(limited(tired, 'token'))).toMatchObject({ status: 429 })
    const decided = (): Promise<never> =>
      Promise.reject(Object.assign(new UnrecoverableError('mine'), { status: 429 }))
    expect(await caught(coordinatedProcessor(given, decided)(job(moved)))).toMatchObject({ message: 'mine' })
    expect(moved).toHaveLength(1)
  })
})

class ApplicationFailure extends Error {
  override readonly name = 'ApplicationFailure'
  readonly given: Record<string, unknown>
  constructor(given: Record<string, unknown>) {
    super(String(given['message']))
    this.given = given
  }
  static create(given: Record<string, unknown>): ApplicationFailure {
    return new ApplicationFailure(given)
  }
}

const run = (
  admit: AdmitClient,
  given: ActivityContext,
  work: () => Promise<string>,
  waitMs = 0,
): Promise<string> =>
  activityInterceptor({
    admit,
    ApplicationFailure,
    waitMs,
    stepOf: (type) => (type === 'verify' ? { upstream: 'openai' } : undefined),
  })(given).inbound.execute({}, work)

describe('the interceptor of Temporal activities', () => {
  let beats = 0
  const context = (activityType = 'verify', heartbeatTimeoutMs?: number): ActivityContext => ({
    info: {
      activityId: '1',
      activityType,
      attempt: 1,
      workflowExecution: { workflowId: 'order 7', runId: 'r' },
      heartbeatTimeoutMs,
    },
    cancellationSignal: new AbortController().signal,
    heartbeat: () => (beats += 1),
  })

  it('runs an activity in the name of its workflow', async () => {
    const admit = await start('version: 1')
    expect(await run(admit, context(), () => Promise.resolve('done'))).toBe('done')
    expect(weir.app.core.workflows(performance.now(), 9)[0]?.workflow).toBe('order-7')
    expect(await run(admit, context('other'), () => Promise.resolve('not asked'))).toBe('not asked')
    expect(weir.reading.arrivals).toBe(1)
  })

  it('leaves for its slot, with a heartbeat while it waits in line', async () => {
    const admit = await start(ONE_AT_A_TIME)
    const before = await admit.enter(step)
    beats = 0
    const error = (await caught(
      run(admit, context('verify', 900), () => Promise.resolve(''), 1300),
    )) as ApplicationFailure
    expect(error.given).toMatchObject({ type: 'WeirDeferred', nextRetryDelay: expect.any(Number) })
    expect(beats).toBeGreaterThanOrEqual(1)
    await before.end({ ended: 'success' })
  })

  it('brings an activity that the upstream refused back at the slot that Weir gives', async () => {
    const admit = await start('version: 1\nrules:\n  - { name: all, mode: enforce, then: { do: hold } }\n')
    const error = (await caught(run(admit, context(), refused))) as ApplicationFailure
    expect(error.given['nextRetryDelay']).toBeGreaterThan(0)
    const decided = new ApplicationFailure({ message: 'mine', status: 429 })
    expect(await caught(run(admit, context(), () => Promise.reject(decided)))).toBeInstanceOf(
      ApplicationFailure,
    )
  })

  it('does not retry what is refused for good', async () => {
    const admit = await start(NEVER)
    const error = (await caught(run(admit, context(), () => Promise.resolve('')))) as ApplicationFailure
    expect(error.given).toMatchObject({ type: 'WeirRefused', nonRetryable: true })
  })
})
