/** Two Weirs on one Redis: one promise, whoever made it, is kept once, and fetched from either; and a Redis that goes. */
import { afterEach, describe, expect, it } from 'vitest'
import { startDeferringWeir, type DeferringWeir } from '../kit/deferring-weir.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { RedisServer } from '../kit/redis-server.ts'

const ask = async (weir: DeferringWeir, id = ''): Promise<Response> =>
  await fetch(`${weir.agents}/up/x`, { method: 'POST', body: id, headers: { prefer: 'respond-async' } })

describe('Weirs on one Redis', () => {
  const weirs: DeferringWeir[] = []
  let redis: RedisServer
  let upstream: HttpUpstream
  afterEach(async () => {
    for (const weir of weirs.splice(0)) await weir.close()
    await upstream.close()
    await redis.close()
  })
  async function start(): Promise<DeferringWeir> {
    const deferral = `store: redis\n  redis: ${redis.url}`
    const weir = await startDeferringWeir({ upstream: upstream.url.href, deferral })
    weirs.push(weir)
    return weir
  }

  it('run each call once, and either of them knows its end', async () => {
    redis = await RedisServer.startDurable()
    upstream = await HttpUpstream.start({ delayMs: 5, body: 'ok' })
    const [one, other] = [await start(), await start()]
    const answers = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => await ask(index % 2 === 0 ? one : other, String(index))),
    )
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
    for (const answer of answers) {
      const done = await fetch(other.agents + answer.headers.get('location'), {
        headers: { prefer: 'wait=20' },
      })
      expect([done.status, await done.text()]).toEqual([200, 'ok'])
    }
    expect(upstream.seen.map(({ body }) => Number(String(body))).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: 40 }, (_, index) => index),
    )
  })

  it('promise nothing while it is away, go on with everything else, and keep what they promised', async () => {
    redis = await RedisServer.startDurable()
    upstream = await HttpUpstream.start({ delayMs: 200, body: 'ok' })
    const weir = await start()
    const location = (await ask(weir)).headers.get('location')!
    await redis.kill()
    const lost = async (): Promise<boolean> => (await ask(weir)).status === 200
    for (let tries = 0; tries < 100 && !(await lost()); tries += 1)
      await new Promise((r) => setTimeout(r, 10))
    expect((await ask(weir)).status).toBe(200)
    expect((await fetch(weir.agents + location)).status).toBe(503)
    await redis.run()
    const end = async (): Promise<number> =>
      (await fetch(weir.agents + location, { headers: { prefer: 'wait=5' } })).status
    let status = await end()
    for (let tries = 0; tries < 200 && (status === 503 || status === 202); tries += 1) {
      await new Promise((r) => setTimeout(r, 50))
      status = await end()
    }
    expect(status).toBe(200)
    expect((await ask(weir)).status).toBe(202)
  }, 60_000)
})
