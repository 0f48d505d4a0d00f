/**
 * Weir for a long time under mixed load and an upstream that misbehaves: does memory grow, does the event loop stay
 * free, and is everything that was counted up counted down in the end? SOAK_MINUTES says how long (20), of which the
 * first quarter warms up. `leftOver` counts what is still open after the last client has gone: it must be 0.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { quantile, rounded } from './overhead/quantiles.ts'
import { createLoad } from './soak/mixed-load.ts'
import { slopePerMinute, type Sample } from './soak/slope.ts'
import { buildWeir, ROOT, startWeir } from './targets/all.ts'
import { inspect, inspected } from './targets/inspection.ts'
import { freePort, residentBytesOf, startProcess, type Target } from './targets/target.ts'

const MINUTES = 20
const SAMPLE_EVERY_MS = 5000
const CALLS_PER_SECOND = 400
/** Sooner or later everything that waits has ended; holds last 5 s here. */
const QUIET_MS = 8000

const POLICY = `version: 1
upstreams:
  '*': { hold: { max: 5s } }
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 5s } }
`

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const minutes = options.smoke ? 0.2 : Number(process.env['SOAK_MINUTES'] ?? MINUTES)
  const every = options.smoke ? 1000 : SAMPLE_EVERY_MS
  buildWeir()
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-soak-'))
  const file = join(directory, 'seen.json')
  writeFileSync(join(directory, 'policy.yaml'), POLICY)
  const upstreamPort = await freePort()
  const loader = join(ROOT, 'node_modules/tsx/dist/loader.mjs')
  const script = join(ROOT, 'bench/soak/faulty-upstream.ts')
  const args = ['--import', loader, script, String(upstreamPort)]
  const upstream = await startProcess(process.execPath, args, upstreamPort)
  const { node, env } = inspected(file, false)
  const weir = await startWeir(upstreamPort, [`--policies=${directory}/policy.yaml`], node, env)
  const load = createLoad(weir.port, weir.prefix, CALLS_PER_SECOND)
  try {
    const startedAt = performance.now()
    const samples: Sample[] = []
    const loop: { p99: number; max: number }[] = []
    load.start()
    for (let at = 0; at < minutes * 60_000; at = performance.now() - startedAt) {
      await new Promise((resolve) => setTimeout(resolve, every))
      samples.push({ at: performance.now() - startedAt, bytes: residentBytesOf(weir.pid) })
      loop.push((await inspect(weir.pid, file)).loop)
    }
    await load.stop()
    await new Promise((resolve) => setTimeout(resolve, options.smoke ? 6000 : QUIET_MS))
    const warm = samples.slice(samples.length >> 2)
    return {
      minutes: rounded(minutes, 1),
      calls: load.count.started,
      ended: load.count.byEnd,
      memorySlopeMbPerMin: rounded(slopePerMinute(warm) / 1e6, 3),
      memoryMb: {
        first: rounded((warm[0]?.bytes ?? 0) / 1e6, 1),
        last: rounded((warm.at(-1)?.bytes ?? 0) / 1e6, 1),
      },
      eventLoopMsP99: rounded(
        quantile(
          loop.map(({ p99 }) => p99),
          0.99,
        ),
        2,
      ),
      eventLoopMsMax: rounded(Math.max(...loop.map(({ max }) => max)), 2),
      leftOver: await leftOver(weir),
    }
  } finally {
    await load.stop()
    await weir.stop()
    await upstream.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

const OPEN_THINGS = ['weir_in_flight', 'weir_held', 'weir_held_bytes', 'weir_connections', 'weir_upgrades']

/** Sum of all gauges of open things. */
async function leftOver(weir: Target & { operator: number }): Promise<number> {
  const page = await (await fetch(`http://127.0.0.1:${weir.operator}/metrics`)).text()
  let sum = 0
  for (const line of page.split('\n')) {
    const [series = '', value] = line.split(' ')
    if (OPEN_THINGS.includes(series.split('{')[0] ?? '')) sum += Number(value)
  }
  return sum
}
