/**
 * A real Prometheus scrapes a real Weir, each a process of its own, through the demo's story: two upstreams degrade under the fleet of real SDK clients,
 * a third one is gone for as long. The dashboard's queries return data, the alerts of the chart fire, and end.
 *
 * The rules are the chart's but for their patience: a demo has seconds where production has minutes.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEMO_POLICY } from '../../src/demo/policy.ts'
import { createSandbox, type Sandbox } from '../../src/demo/sandbox.ts'
import { play, type Arm, type Phase, type Upstreams } from '../../src/demo/story.ts'
import { WeirProcess } from '../kit/weir-process.ts'
import { pause, PrometheusServer } from './prometheus-server.ts'

const CHART = join(import.meta.dirname, '../../helm/weir/files')
const TIMES = { healthyMs: 10_000, troubleMs: 14_000, afterMs: 6_000 }
/** For the last alerts to end after the story: the windows of the rates, and the upstreams' way back. */
const CALM_MS = 45_000

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

/** Alerts that fired, by phase. */
const fired: Record<Phase | 'calm', Set<string>> = {
  healthy: new Set(),
  trouble: new Set(),
  after: new Set(),
  calm: new Set(),
}
const answered = new Set<string>()
let queries: readonly { readonly panel: string; readonly expression: string }[] = []
let left: readonly string[] = ['never looked']
const MISSED = ['WeirGone', 'WeirReplicaGone']
let gone: readonly string[] = []
let folder: string
let prometheus: PrometheusServer | undefined

/** `for: 5m` is 2 s, rates are of 6 s, and a Weir is remembered for 30 s. Nothing else is changed. */
function hastened(rules: string): string {
  return rules
    .replaceAll(/^( +for: )\d+m$/gm, '$12s')
    .replaceAll(/\[(?:5m|15m)\]/g, '[6s]')
    .replaceAll('[1h]', '[30s]')
}

/** What Grafana would put in for its variables. */
function filledIn(expression: string): string {
  return expression.replaceAll('$__rate_interval', '6s').replaceAll(/\$(?:job|upstream)/g, '.*')
}

async function firing(): Promise<string[]> {
  const alerts = (await prometheus?.alerts()) ?? []
  const names = alerts
    .filter(({ state }) => state === 'firing')
    .map(({ labels }) =>
      [labels['alertname'], labels['upstream']].filter((word) => word !== undefined).join(' '),
    )
  return [...new Set(names)].toSorted()
}

async function look(before: Promise<void>, phase: Phase): Promise<void> {
  await before
  for (const name of await firing()) fired[phase].add(name)
  await askEverything()
}

async function askEverything(): Promise<void> {
  for (const { panel, expression } of queries.filter((one) => !answered.has(one.expression))) {
    const samples = await prometheus?.query(expression).catch((error: unknown) => {
      throw new Error(`${panel}: ${String(error)}`)
    })
    if (samples?.some(({ value }) => value[1] !== 'NaN') === true) answered.add(expression)
  }
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weir-prometheus-test-'))
  await writeFile(join(folder, 'demo.yaml'), DEMO_POLICY)
  await writeFile(join(folder, 'deferral.key'), 'k'.repeat(40))
  const dashboard = JSON.parse(await readFile(join(CHART, 'dashboard.json'), 'utf8')) as {
    panels: readonly Panel[]
  }
  queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ panel: title, expression: filledIn(expr) })),
  )
  const rules = hastened(await readFile(join(CHART, 'rules.yaml'), 'utf8'))
  const tools = createSandbox({ seed: 3 })
  const callers: NodeJS.Timeout[] = []
  const prepare = async (upstreams: Upstreams): Promise<Arm> => {
    const weir = await startWeir(upstreams, tools)
    const { agents, operator } = await weir.ready()
    const urlOf = (upstream: string, agent: string): string => `${agents}/@${agent}/${upstream}`
    prometheus = await PrometheusServer.start(new URL(operator).host, rules)
    await untilScraped()
    tools.behave({
      serviceMs: 50,
      sigma: 0.3,
      phases: [{ from: TIMES.healthyMs, until: TIMES.healthyMs + TIMES.troubleMs, stopped: true }],
    })
    callers.push(setInterval(() => callTools(urlOf), 50))
    return {
      name: 'weir',
      baseUrl: urlOf,
      acts: () => ({ held: 0, slotted: 0 }),
      stop: async () => {
        const by = performance.now() + CALM_MS
        do {
          await pause(500)
          left = await firing()
          for (const name of left) fired.calm.add(name)
        } while (left.length > 0 && performance.now() < by)
        for (const caller of callers) clearInterval(caller)
        weir.signal('SIGTERM')
        await weir.ended
      },
    }
  }
  // One look after another: a slow one must not meet the next.
  let watching: Promise<void> = Promise.resolve()
  await play(prepare, TIMES, ({ phase }) => {
    watching = look(watching, phase)
  })
  await watching
  // What its drain set off is forgotten first.
  for (let tries = 0; tries < 60 && gone.join() !== MISSED.join(); tries += 1) {
    await pause(250)
    gone = await firing()
  }
  await tools.close()
})

afterAll(async () => {
  await prometheus?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function startWeir(upstreams: Upstreams, tools: Sandbox): Promise<WeirProcess> {
  await tools.listen()
  await writeFile(
    join(folder, 'weir.yaml'),
    JSON.stringify({
      listen: '127.0.0.1:0',
      operator: { listen: '127.0.0.1:0' },
      upstreams: { idp: upstreams.idp.url, model: upstreams.model.url, tools: tools.url },
      policies: ['demo.yaml'],
      log: { level: 'info' },
      deferral: { store: 'lmdb', dir: 'deferred', keyFiles: ['deferral.key'], volatile: true },
    }),
  )
  return new WeirProcess(['-c', join(folder, 'weir.yaml')])
}

/** Prometheus finds its targets within five seconds of its start; until then there is no Weir, and it is missed. */
async function untilScraped(): Promise<void> {
  for (let tries = 0; tries < 80; tries += 1) {
    const isSeen = ((await prometheus?.query('weir_build_info')) ?? []).length > 0
    if (isSeen && (await firing()).length === 0) return
    await pause(250)
  }
  throw new Error('Prometheus has not scraped the Weir')
}

let calls = 0
/** Twenty agents in turn, one call a second each; every tenth may be answered later. */
function callTools(urlOf: (upstream: string, agent: string) => string): void {
  calls += 1
  const headers = calls % 10 === 0 ? { prefer: 'respond-async', 'idempotency-key': `call-${calls}` } : {}
  const signal = AbortSignal.timeout(4000)
  fetch(`${urlOf('tools', `tool-${calls % 20}`)}/search`, { headers, signal }).then(
    async (answer) => void (await answer.text()),
    () => undefined,
  )
}

describe('through the story of the demo', () => {
  it('a healthy Weir sets off no alert', () => {
    expect([...fired.healthy]).toEqual([])
  })

  it('the alerts of the chart fire: the upstream that is gone, and the calls that are turned away', () => {
    const names = [...fired.trouble, ...fired.after]
    expect(names).toContain('WeirUpstreamDown tools')
    expect(names.filter((name) => name.startsWith('WeirSheds'))).not.toEqual([])
    process.stdout.write(`fired: ${[...new Set(names)].toSorted().join(', ')}\n`)
  })

  it('they end when it is over', () => {
    expect(left).toEqual([])
  })

  it('a Weir that has gone is missed', () => {
    expect(gone).toEqual(MISSED)
  })

  it('each query of the dashboard has returned data, but for those of a fleet', () => {
    const silent = queries.filter(({ expression }) => !answered.has(expression)).map(({ panel }) => panel)
    expect(queries.length).toBeGreaterThan(30)
    expect(silent).toEqual(['Age of what others said'])
  })
})
