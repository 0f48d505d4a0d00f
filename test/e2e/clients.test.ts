/** What every real client must find in front of Weir: its base URL, its name, its stream, and its way out. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CLIENTS } from './clients.ts'
import type { Client, Driver } from './client.ts'
import { eventually, startWorld } from './kit.ts'
import type { World } from './kit.ts'

describe.each(CLIENTS)('$name through Weir', (client: Client) => {
  let world: World
  const drivers: Driver[] = []
  const connect = async (who?: string): Promise<Driver> => {
    const driver = await client.connect(world.base(who))
    drivers.push(driver)
    return driver
  }
  beforeAll(async () => {
    world = await startWorld({ upstream: client.upstream })
  })
  afterAll(async () => {
    for (const driver of drivers) await driver.close?.()
    await world.close()
  })

  it('is named by its base URL, gets the answer of the upstream, and is known for what it is', async () => {
    const text = await (await connect('clerk.run-7')).ask({ id: 'named', text: 'hello' })
    expect(text.length).toBeGreaterThan(20)
    expect(await eventually(() => world.seen.some(({ id }) => id === 'named'))).toBe(true)
    const seen = world.seen.find(({ id }) => id === 'named')
    expect(seen).toMatchObject({
      agent: 'clerk',
      workflow: 'run-7',
      family: client.family,
      outcome: 'passed',
    })
    expect(world.app.core.agents(performance.now(), 10).map(({ agent }) => agent)).toContain('clerk')
    expect(world.call('named').attempts).toBe(1)
  })

  it('gets the same answer without a name in its base URL, and is known by its key or its place', async () => {
    const named = await (await connect('clerk')).ask({ id: 'with', text: 'same' })
    const plain = await (await connect()).ask({ id: 'without', text: 'same' })
    expect(plain).toBe(named)
    expect(await eventually(() => world.seen.some(({ id }) => id === 'without'))).toBe(true)
    const seen = world.seen.find(({ id }) => id === 'without')
    expect(seen?.agent).toMatch(new RegExp(`^${client.anonymous}-[0-9a-f]+$`))
    expect(world.app.core.agents(performance.now(), 10).map(({ agent }) => agent)).toContain(seen?.agent)
  })

  // The sandbox's MCP server answers whole.
  if (client.name !== 'mcp')
    it('reads a stream chunk by chunk while the upstream still speaks', async () => {
      world.sandbox.behave({ serviceMs: 600 })
      const before = world.sandbox.ledger.completions
      const driver = await connect('reader')
      let early = 0
      let chunks = 0
      for await (const chunk of driver.stream?.({ id: 'stream', text: 'tell' }) ?? []) {
        if (chunk === '') continue
        chunks += 1
        if (world.sandbox.ledger.completions === before) early += 1
      }
      expect(chunks).toBeGreaterThanOrEqual(12)
      expect(early).toBeGreaterThanOrEqual(9)
    })

  if (client.abortCloses)
    it('takes its call away from the upstream when it gives up', async () => {
      world.sandbox.behave({ serviceMs: 30_000 })
      const before = world.sandbox.ledger.abandoned
      const driver = await connect('impatient')
      const leaving = new AbortController()
      const answer = driver.ask({ id: 'left', text: 'slow', signal: leaving.signal })
      answer.catch(() => {})
      expect(await eventually(() => world.sandbox.ledger.calls.has('left'))).toBe(true)
      leaving.abort()
      await expect(answer).rejects.toThrow()
      expect(await eventually(() => world.sandbox.ledger.abandoned === before + 1)).toBe(true)
      expect(await eventually(() => world.seen.some(({ id }) => id === 'left'))).toBe(true)
      expect(world.seen.find(({ id }) => id === 'left')?.outcome).toBe('client-gone')
      expect(await eventually(() => world.app.core.read(performance.now()).open === 0)).toBe(true)
      expect(world.call('left').attempts).toBe(1)
    })
})

describe('a stream that the upstream breaks off', () => {
  // AI SDK tells it to a callback only.
  const telling = CLIENTS.filter(({ name }) => name !== 'mcp' && name !== 'ai-sdk')

  it.each(telling)('is an error to $name, not an end', async (client) => {
    const world = await startWorld({ upstream: client.upstream, behaviour: { serviceMs: 3000 } })
    const driver = await client.connect(world.base('reader'))
    try {
      const read = async (): Promise<void> => {
        let chunks = 0
        for await (const chunk of driver.stream?.({ id: 'cut', text: 'tell' }) ?? []) {
          if (chunk !== '') chunks += 1
          if (chunks === 3) await world.sandbox.close()
        }
      }
      await expect(read()).rejects.toThrow()
      expect(await eventually(() => world.seen.length > 0)).toBe(true)
      expect(world.seen[0]?.outcome).toBe('upstream-error')
    } finally {
      await driver.close?.()
      await world.close()
    }
  })
})

describe('a stream that nobody reads to its end', () => {
  // AI SDK and genai keep reading after a `break`.
  const leaving = CLIENTS.filter(({ name }) => !['mcp', 'ai-sdk', 'genai', 'genai-retrying'].includes(name))

  it.each(leaving)('is cut at the upstream when $name leaves it', async (client) => {
    const world = await startWorld({ upstream: client.upstream, behaviour: { serviceMs: 8000 } })
    const driver = await client.connect(world.base('reader'))
    try {
      for await (const chunk of driver.stream?.({ id: 'left', text: 'tell' }) ?? []) if (chunk !== '') break
      expect(await eventually(() => world.sandbox.ledger.abandoned === 1)).toBe(true)
      expect(await eventually(() => world.seen.length > 0)).toBe(true)
      expect(world.seen[0]?.outcome).toBe('client-gone')
    } finally {
      await driver.close?.()
      await world.close()
    }
  })
})
