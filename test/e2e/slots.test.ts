/** Who is refused comes back at an instant of its own, and who never comes back is kept waiting inside Weir. */
import Anthropic, { APIError as AnthropicError } from '@anthropic-ai/sdk'
import OpenAI, { APIError } from 'openai'
import { afterEach, describe, expect, it } from 'vitest'
import { CLIENTS } from './clients.ts'
import type { Client, Driver } from './client.ts'
import { eventually, startWorld } from './kit.ts'
import type { SeenCall, World, WorldOptions } from './kit.ts'

/** Refuses every call once: with a slot, which then lets it in. Critical work gets the nearest ones. */
const SHED = `version: 1
rules:
  - name: contended
    mode: enforce
    then: { do: shed, priority: critical }
`
/** One call each two seconds; the next ones wait. */
const PACED = `version: 1
rules:
  - name: paced
    mode: enforce
    then: { do: hold, limits: [{ per: upstream, rate: 30/min, burst: 1 }] }
`
/** As much as the upstream can bear. */
const STEERED = `version: 1
rules:
  - name: steered
    mode: enforce
    then: { do: hold, priority: critical }
`
/** Timers fire up to a millisecond early, and the two clocks are read at different moments. */
const CLOCK_MS = 2
/** Two seconds as the upstream sees them: for the first of the two calls a connection had to be opened. */
const LEAST_GAP_MS = 1900
/** Does not read Retry-After: asked back with a slot, it comes when it likes. */
const DEAF = new Set(['genai-retrying'])
/** Follow a 307 with body and credentials, and are not known to come back by themselves. */
const HOPS = new Set(['genai', 'genai-retrying', 'mcp', 'axios', 'got-post', 'fetch'])

let world: World
let driver: Driver | undefined

async function begin(client: Client, options: WorldOptions): Promise<Driver> {
  world = await startWorld({ upstream: client.upstream, ...options })
  driver = await client.connect(world.base('clerk'))
  return driver
}

const seen = (id: string): readonly SeenCall[] => world.seen.filter((call) => call.id === id)

afterEach(async () => {
  await driver?.close?.()
  driver = undefined
  await world.close()
})

describe('a refused call', () => {
  const patient = CLIENTS.filter(({ name, retries }) => retries && !DEAF.has(name))

  it.each(patient)('of $name comes back by itself, not before its slot, and is let in', async (client) => {
    const { ask } = await begin(client, { policy: SHED })
    expect((await ask({ id: 'one', text: 'hello' })).length).toBeGreaterThan(20)
    expect(await eventually(() => seen('one').length === 2)).toBe(true)
    const [refused, served] = seen('one')
    expect(refused).toMatchObject({ outcome: 'shed', verdict: { do: 'shed', reason: 'policy' } })
    expect(served?.verdict?.reason).toBe('slot-kept')
    expect(world.call('one').attempts).toBe(1)
    const slotAt = refused?.verdict?.slotAt ?? Number.NaN
    expect(world.reachedAt('one')).toBeGreaterThanOrEqual(slotAt - CLOCK_MS)
    expect(world.reachedAt('one')).toBeLessThan(slotAt + 4000)
  })
})

describe('a held call', () => {
  const clients = CLIENTS.filter(({ retries, name }) => !retries || DEAF.has(name))

  it.each(clients)(
    'of $name, which does not come back when asked, waits for its turn and is answered',
    async (client) => {
      const { ask } = await begin(client, { policy: PACED, hopMs: 1000 })
      await ask({ id: 'first', text: 'same' })
      expect((await ask({ id: 'second', text: 'same' })).length).toBeGreaterThan(20)
      expect(await eventually(() => seen('second').length > 0)).toBe(true)
      // One call, however many hops it took.
      expect(seen('second')).toHaveLength(1)
      expect(seen('second')[0]).toMatchObject({ outcome: 'passed-after-hold', hopped: HOPS.has(client.name) })
      expect(world.reachedAt('second') - world.reachedAt('first')).toBeGreaterThanOrEqual(LEAST_GAP_MS)
      expect(world.call('second').attempts).toBe(1)
      expect(world.app.core.read(performance.now()).upstreams[0]).toMatchObject({ held: 0, retries: 0 })
    },
  )
})

describe('a caller that gives up while it is held', () => {
  const clients = CLIENTS.filter(({ abortCloses }) => abortCloses)

  it.each(clients)(
    'through $name leaves no trace in Weir, and its call never goes upstream',
    async (client) => {
      const { ask } = await begin(client, { policy: PACED })
      await ask({ id: 'first', text: 'same' })
      const leaving = new AbortController()
      const second = ask({ id: 'second', text: 'same', signal: leaving.signal })
      second.catch(() => {})
      const upstream = () => world.app.core.read(performance.now()).upstreams[0]
      expect(await eventually(() => upstream()?.held === 1)).toBe(true)
      leaving.abort()
      await expect(second).rejects.toThrow()
      expect(await eventually(() => upstream()?.held === 0)).toBe(true)
      expect(seen('second')).toMatchObject([{ outcome: 'client-gone' }])
      expect(world.app.proxy.stats).toMatchObject({ openCalls: 0, heldBytes: 0 })
      expect(world.sandbox.ledger.calls.has('second')).toBe(false)
    },
  )
})

describe("an upstream's own 429", () => {
  const ASKED_MS = 1500
  const CLOSED = { from: 0, until: 1000, rateLimit: { perSecond: 0.001, retryAfterMs: ASKED_MS } }

  it('reaches six callers of one instant with six waits, none shorter than the upstream asked for', async () => {
    world = await startWorld({ policy: STEERED, behaviour: { serviceMs: 50, phases: [CLOSED] } })
    const asked = Array.from({ length: 6 }, async (_, at) => {
      const client = new OpenAI({
        apiKey: `sk-${at}`,
        baseURL: `${world.base(`agent-${at}`)}/v1`,
        maxRetries: 0,
      })
      const refusal: unknown = await client.models.list().catch((error: unknown) => error)
      if (!(refusal instanceof APIError)) throw new Error('was not refused')
      expect(refusal.status).toBe(429)
      expect(Number(refusal.headers?.get('retry-after'))).toBeGreaterThanOrEqual(2)
      return Number(refusal.headers?.get('retry-after-ms'))
    })
    const waits = await Promise.all(asked)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(ASKED_MS)
    expect(new Set(waits).size).toBe(6)
  })

  const comingBack = CLIENTS.filter(({ retries }) => retries)
  it.each(comingBack)('does not see $name again before the time that it asked for', async (client) => {
    const { ask } = await begin(client, { policy: STEERED, behaviour: { phases: [CLOSED] } })
    expect((await ask({ id: 'one', text: 'hello' })).length).toBeGreaterThan(20)
    const { attempts, firstAt, lastAt } = world.call('one')
    expect(attempts).toBe(2)
    expect(lastAt - firstAt).toBeGreaterThanOrEqual(ASKED_MS - CLOCK_MS)
  })

  it('is followed by AI SDK clients one by one, although their own timers would bring them back together', async () => {
    world = await startWorld({ policy: STEERED, behaviour: { phases: [CLOSED] } })
    const client = CLIENTS.find(({ name }) => name === 'ai-sdk')
    const ids = ['a', 'b', 'c', 'd']
    const asked = ids.map(async (id) => {
      const own = await client?.connect(world.base(id))
      return await own?.ask({ id, text: 'hello' })
    })
    await Promise.all(asked)
    const returns = ids.map((id) => world.call(id).lastAt).toSorted((one, other) => one - other)
    const gaps = returns.slice(1).map((at, index) => at - (returns[index] ?? 0))
    expect(Math.min(...gaps)).toBeGreaterThan(50)
  })
})

describe('a wait longer than its client bears', () => {
  const CLOSED = { from: 0, until: Infinity, rateLimit: { perSecond: 0.001, retryAfterMs: 90_000 } }

  it('is told to the OpenAI SDK as less than a minute: from there on it would retry at once', async () => {
    world = await startWorld({ policy: STEERED, behaviour: { phases: [CLOSED] } })
    const client = new OpenAI({ apiKey: 'sk', baseURL: `${world.base('clerk')}/v1`, maxRetries: 0 })
    const refusal: unknown = await client.models.list().catch((error: unknown) => error)
    if (!(refusal instanceof APIError)) throw new Error('was not refused')
    expect(Number(refusal.headers?.get('retry-after'))).toBe(59)
    expect(Number(refusal.headers?.get('retry-after-ms'))).toBe(59_000)
  })

  it('is told in full to the Anthropic SDK, which bears it', async () => {
    world = await startWorld({ upstream: 'anthropic', policy: STEERED, behaviour: { phases: [CLOSED] } })
    const client = new Anthropic({ apiKey: 'sk', baseURL: world.base('clerk'), maxRetries: 0 })
    const refusal: unknown = await client.models.list().catch((error: unknown) => error)
    if (!(refusal instanceof AnthropicError)) throw new Error('was not refused')
    expect(Number(refusal.headers?.get('retry-after-ms'))).toBeGreaterThanOrEqual(90_000)
  })

  it('is left as the upstream said it while Weir only watches', async () => {
    world = await startWorld({ behaviour: { phases: [CLOSED] } })
    const client = new OpenAI({ apiKey: 'sk', baseURL: `${world.base('clerk')}/v1`, maxRetries: 0 })
    const refusal: unknown = await client.models.list().catch((error: unknown) => error)
    if (!(refusal instanceof APIError)) throw new Error('was not refused')
    expect(refusal.headers?.get('retry-after')).toBe('90')
    expect(refusal.headers?.get('retry-after-ms')).toBe('90000')
  })

  it('is not begun when the client itself says how short its time is', async () => {
    const slow = PACED.replace('30/min', '6/min')
    world = await startWorld({ policy: slow })
    const client = new OpenAI({ apiKey: 'sk', baseURL: `${world.base('clerk')}/v1`, maxRetries: 0 })
    await client.models.list()
    const begunAt = performance.now()
    const refusal: unknown = await client.models.list({ timeout: 2000 }).catch((error: unknown) => error)
    if (!(refusal instanceof APIError)) throw new Error('was not refused')
    expect(refusal.status).toBe(429)
    expect(performance.now() - begunAt).toBeLessThan(1000)
    expect(Number(refusal.headers?.get('retry-after-ms'))).toBeGreaterThan(8000)
  })
})
