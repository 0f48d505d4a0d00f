import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { RedisStore } from '../../src/commons/stores/redis-store.ts'
import { RedisServer, SERVERS } from '../kit/redis-server.ts'
import { storeContract, TEST_BOUNDS } from './store.contract.ts'

describe.each(SERVERS)('with a real %s', (kind) => {
  let server: RedisServer
  let made = 0

  beforeAll(async () => {
    server = await RedisServer.startKind(kind)
  })
  afterAll(() => server.close())

  async function open(prefix = `test-${(made += 1)}`): Promise<RedisStore> {
    const store = new RedisStore({ url: server.url, prefix }, TEST_BOUNDS, () => Date.now())
    await store.open()
    return store
  }

  storeContract(kind, async () => {
    const store = await open()
    return { store, close: () => store.close() }
  })

  it('two stores with one prefix are one: what one appends, the other hears of', async () => {
    const [one, two] = [await open('shared'), await open('shared')]
    const heard = new Promise<string>((resolve) => {
      two.watch((log) => log === 'events' && resolve(log))
    })
    await one.commit([
      { do: 'put', key: 'a', value: '1', expected: 'absent' },
      { do: 'append', log: 'events', value: 'x' },
    ])
    expect(await heard).toBe('events')
    expect((await two.get('a'))?.value).toBe('1')
    expect(Math.abs(one.now() - two.now())).toBeLessThan(100)
    await one.close()
    await two.close()
  })

  it('a store whose server is lost says so at once, and is there again with it', async () => {
    const own = await RedisServer.startKind(kind)
    const store = new RedisStore({ url: own.url, prefix: 'lost' }, TEST_BOUNDS, () => Date.now())
    await store.open()
    await own.kill()
    await expect(store.get('a')).rejects.toMatchObject({ name: 'StoreError' })
    await expect(store.commit([{ do: 'append', log: 'events', value: 'x' }])).rejects.toMatchObject({
      name: 'StoreError',
    })
    await own.run()
    const back = (): Promise<unknown> => store.commit([{ do: 'append', log: 'events', value: 'y' }])
    await vi.waitFor(back, { timeout: 20_000, interval: 50 })
    await store.close()
    await own.close()
  })
})

it('a redis store that cannot be reached does not open', async () => {
  const store = new RedisStore({ url: 'redis://127.0.0.1:1', prefix: 'none' }, TEST_BOUNDS, () => Date.now())
  await expect(store.open()).rejects.toMatchObject({ name: 'StoreError' })
})
