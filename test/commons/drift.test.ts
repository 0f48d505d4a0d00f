/** The gate of tasks on a real drift: a whole Weir, a sandbox upstream that degrades, real traffic. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, it } from 'vitest'
import { createApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { startNeighbours } from '../../src/demo/workflow/neighbours.ts'
import { createSandbox } from '../../src/demo/sandbox.ts'

/** Seconds instead of days, as the demo has them. */
const POLICY = `version: 1
upstreams:
  '*':
    drift: { warmUp: 3s, warmUpSamples: 40, clear: 3s }
rules:
  - name: as-much-as-it-can-bear
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 4s } }
`
const closing: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

async function until(isTrue: () => boolean | Promise<boolean>, mostMs: number): Promise<boolean> {
  const by = performance.now() + mostMs
  while (performance.now() < by) {
    if (await isTrue()) return true
    await sleep(50)
  }
  return false
}

it(
  'a task is not given out while its upstream drifts, and goes out when that can bear it',
  { timeout: 120_000 },
  async () => {
    const model = createSandbox({ behaviour: { servers: 40, serviceMs: 60, sigma: 0.2 }, seed: 4 })
    await model.listen()
    closing.push(() => model.close())
    const dir = await mkdtemp(join(tmpdir(), 'weir-drift-'))
    closing.push(() => rm(dir, { recursive: true, force: true }))
    await writeFile(join(dir, 'policy.yaml'), POLICY)
    const flags = {
      upstream: [`model=${model.url}`, 'tools=http://127.0.0.1:9'],
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [join(dir, 'policy.yaml')],
      logLevel: 'silent',
    }
    const config = loadConfig({ env: {}, flags })
    const app = createApp({ ...config, commons: { store: { kind: 'memory' }, limits: {} } })
    const { proxy, operator } = await app.start()
    closing.push(() => app.stop())
    const origin = `http://127.0.0.1:${proxy.port}`
    const ask = async (method: string, path: string, body?: object): Promise<any> => {
      const answer = await fetch(`${origin}/weir/v1${path}`, {
        method,
        headers: { 'weir-agent': 'ann', 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return answer.status === 204 ? undefined : answer.json()
    }
    const create = (kind: string, upstream: string): Promise<any> =>
      ask('POST', '/tasks', { kind, upstreams: [upstream] })
    const claim = (kind: string, waitMs = 0): Promise<any> =>
      ask('POST', '/tasks/claim', { capabilities: [kind], waitMs })
    const canBear = async (): Promise<string> => (await ask('GET', '/upstreams/model')).canBear
    const neighbours = startNeighbours((agent) => `${origin}/@${agent}/model/v1/chat/completions`)
    closing.push(() => neighbours.stop())

    // Well: it is given out at once.
    expect(
      await until(async () => (app.core.read(performance.now()).upstreams[0]?.baseline.p50 ?? 0) > 0, 20_000),
    ).toBe(true)
    await sleep(3000)
    expect(await until(async () => (await canBear()) === 'yes', 30_000)).toBe(true)
    const early = await create('draft', 'model')
    expect((await claim('draft', 20_000)).id).toBe(early.id)

    // Drifting, before any call has failed: kept back, and it says why; one that needs another upstream is not.
    model.behave({ phases: [{ from: 0, until: Infinity, slow: 6 }] })
    expect(await until(async () => (await canBear()) === 'no', 30_000)).toBe(true)
    const held = [await create('draft', 'model'), await create('draft', 'model')]
    expect(await claim('draft')).toBeUndefined()
    const waiting = await ask('GET', `/tasks/${held[0].id}`)
    expect(waiting).toMatchObject({ state: 'parked', attempt: 0 })
    expect(waiting.why).toMatch(/^model is (drifting|storming|degraded|down)$/)
    const other = await create('search', 'tools')
    expect((await claim('search')).id).toBe(other.id)
    const foreseen = await ask('GET', `/tasks/${held[0].id}/what-if`)
    expect(foreseen.says.join(' ')).toContain('once its upstream can bear it')
    const meanwhile = claim('draft', 60_000)

    // Well again: whoever waits gets it, and not before the upstream can bear it.
    model.behave({ phases: [] })
    const given = await meanwhile
    expect(held.map(({ id }) => id)).toContain(given.id)
    expect(await canBear()).not.toBe('no')
    expect((await claim('draft', 30_000)).id).not.toBe(given.id)
    const told = await ask('GET', '/events?type=weir.task.*&after=0&limit=1000')
    const types = told.events.map(({ event }: any) => event.type.slice('weir.task.'.length))
    expect(types).toEqual(expect.arrayContaining(['parked', 'resumed', 'assigned']))
    const [first] = held
    const its = told.events
      .filter(({ event }: any) => event.subject === first.id)
      .map(({ event }: any) => event.type)
    expect(its).toEqual(['weir.task.created', 'weir.task.parked', 'weir.task.resumed', 'weir.task.assigned'])
    const page = await (await fetch(`http://127.0.0.1:${operator.port}/metrics`)).text()
    expect(page).toContain('weir_commons_tasks{state="running"} 4\n')
    expect(page).toContain('weir_commons_open 1\n')
  },
)
