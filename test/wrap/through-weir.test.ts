/** By way of a Weir: where requests go, what they carry, and what happens without one. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { coordinatedFetch } from '../../src/wrap/coordinated-fetch.ts'
import { withAgent, withPriority, withWorkflow } from '../../src/wrap/scope.ts'
import { startAskingWeir, type AskingWeir } from '../kit/asking-weir.ts'

let weir: AskingWeir
afterEach(async () => await weir.close())

const post = { method: 'POST', body: '{"model":"m"}', headers: { 'content-type': 'application/json' } }

describe('fetch by way of a Weir', () => {
  it('goes there with the names of whoever calls', async () => {
    weir = await startAskingWeir('version: 1')
    const fetch = coordinatedFetch({
      weir: weir.origin,
      upstreams: { openai: 'https://api.openai.com' },
      agent: 'fallback',
    })
    const url = 'https://api.openai.com/v1/chat/completions?a=b'
    const answer = await withWorkflow('run-1', () =>
      withAgent('lead', () => withAgent('worker', () => withPriority('batch', () => fetch(url, post)))),
    )
    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ object: 'chat.completion' })
    expect(answer.headers.get('weir-call-id')).toMatch(/^[0-9a-f-]{36}$/)
    await (await fetch(new Request('https://api.openai.com/v1/chat/completions', post))).text()
    const agents = weir.app.core.agents(performance.now(), 9).map(({ agent }) => agent)
    expect(agents.toSorted()).toEqual(['fallback', 'worker'])
    expect(weir.app.core.workflows(performance.now(), 9).map(({ workflow }) => workflow)).toContain('run-1')
  })

  it('goes to nobody else, and to the upstream itself only when told so', async () => {
    weir = await startAskingWeir('version: 1')
    const upstreams = { openai: weir.sandbox.url }
    const closed = createServer().listen(0, '127.0.0.1')
    await once(closed, 'listening')
    const gone = `http://127.0.0.1:${(closed.address() as AddressInfo).port}`
    closed.close()
    await once(closed, 'close')
    const url = `${weir.sandbox.url}/v1/models`
    await expect(coordinatedFetch({ weir: gone, upstreams })(url)).rejects.toThrow('fetch failed')
    const direct = coordinatedFetch({ weir: gone, upstreams, onUnreachable: 'direct' })
    expect((await direct(url)).headers.get('weir-call-id')).toBeNull()
    const elsewhere = coordinatedFetch({ weir: weir.origin, upstreams: { openai: 'https://api.openai.com' } })
    expect((await elsewhere(url)).headers.get('weir-call-id')).toBeNull()
  })
})
