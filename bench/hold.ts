/**
 * What waiting costs in memory: ten thousand calls that Weir holds, and ten thousand connections that have had an
 * answer and say nothing more. KiB each of memory that no file backs, garbage collected before and after; the bodies
 * of held calls are subtracted, the connections that carry them are not. Beside it in the same run: an idle connection
 * of a server of Node's that does nothing, which no proxy on it can cost less than.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask, closeAll, open, type Caller } from './hold/callers.ts'
import { rounded } from './overhead/quantiles.ts'
import { buildWeir, startBareServer, startUpstream, startWeir } from './targets/all.ts'
import { inspect, inspected } from './targets/inspection.ts'
import { residentBytesOf, type Target } from './targets/target.ts'

const COUNT = 10_000
const BODY = Buffer.alloc(2048, 'a')
/** Code is compiled and pools are filled before the first look. */
const WARM_UP_CALLS = 2000
const SETTLE_MS = 1500
const LOOK_MS = 100
const MOST_LOOKS = 200

/** All but one call wait; each may for ten minutes. */
const POLICY = `version: 1
upstreams:
  '*': { hold: { max: 10m, calls: 50000, perAgent: 50000, bytes: 1GiB } }
rules:
  - name: one-at-a-time
    mode: enforce
    match: { method: POST }
    then: { do: hold, hold: { max: 10m }, limits: [{ per: upstream, concurrency: 1 }] }
`

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const count = options.smoke ? 200 : Number(process.env['HOLD_COUNT'] ?? COUNT)
  buildWeir()
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-hold-'))
  const upstream = await startUpstream()
  try {
    const file = join(directory, 'seen.json')
    const { node, env } = inspected(file, true)
    const weir = (): Promise<Server> => startHolding(upstream.port, directory, node, env)
    const bare = await grown(() => startBareServer(node, env), file, count, {
      occupy: idleConnection,
      held: 0,
    })
    const idle = await grown(weir, file, count, { occupy: idleConnection, held: 0 })
    // The first one takes the one place there is at the upstream.
    const held = await grown(weir, file, count, { occupy: heldCall, held: count - 1 })
    const bodyKib = BODY.length / 1024
    return {
      count,
      kibPerIdleConnection: rounded(idle.residentKib, 2),
      bareKibPerIdleConnection: rounded(bare.residentKib, 2),
      heapKibPerIdleConnection: rounded(idle.heapKib, 2),
      kibPerHeldCall: rounded(held.residentKib - bodyKib, 2),
      heapKibPerHeldCall: rounded(held.heapKib, 2),
    }
  } finally {
    await upstream.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

interface Crowd {
  readonly occupy: (weir: Target, caller: Caller) => Promise<void>
  /** Calls that Weir must say it holds before anything is measured. */
  readonly held: number
}

type Server = Target & { readonly operator?: number }

async function startHolding(
  upstreamPort: number,
  directory: string,
  node: readonly string[],
  env: Record<string, string>,
): Promise<Server> {
  const config = join(directory, 'weir.yaml')
  const policy = join(directory, 'policy.yaml')
  writeFileSync(policy, POLICY)
  const limits = { connections: 100_000, keepAlive: '1h' }
  const hold = { totalBytes: '1GiB' }
  writeFileSync(config, JSON.stringify({ limits, hold }))
  return startWeir(upstreamPort, ['--config', config, `--policies=${policy}`], node, env)
}

/** How much larger a fresh process is for each of `count` that occupy it at once. */
async function grown(
  start: () => Promise<Server>,
  file: string,
  count: number,
  { occupy, held }: Crowd,
): Promise<{ residentKib: number; heapKib: number }> {
  const weir = await start()
  const callers: Caller[] = []
  try {
    await warmUp(weir)
    const before = await size(weir, file)
    for (let index = 0; index < count; index++) callers.push(await open(weir.port))
    for (const caller of callers) await occupy(weir, caller)
    await untilHeld(weir, held)
    const after = await size(weir, file)
    await untilHeld(weir, held)
    const perOne = (bytes: number): number => bytes / 1024 / count
    return {
      residentKib: perOne(after.resident - before.resident),
      heapKib: perOne(after.heap - before.heap),
    }
  } finally {
    closeAll(callers)
    await weir.stop()
  }
}

async function warmUp(weir: Target): Promise<void> {
  const caller = await open(weir.port)
  for (let call = 0; call < WARM_UP_CALLS; call++) await idleConnection(weir, caller)
  closeAll([caller])
}

async function idleConnection(weir: Target, caller: Caller): Promise<void> {
  await ask(caller, `GET ${weir.prefix}/v1/models HTTP/1.1\r\nhost: weir\r\n\r\n`)
}

/** It has no answer yet: nobody waits for one. */
async function heldCall(weir: Target, { socket }: Caller): Promise<void> {
  const head = [
    `POST ${weir.prefix}/silent HTTP/1.1`,
    'host: weir',
    'prefer: wait=600',
    'content-type: application/json',
    `content-length: ${BODY.length}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n`)
  await new Promise<void>((resolve) => socket.write(BODY, () => resolve()))
}

/** @throws when Weir does not hold exactly so many: the figure would be of something else */
async function untilHeld(weir: Server, wanted: number): Promise<void> {
  if (wanted === 0) return
  let held = -1
  for (let looks = 0; looks < MOST_LOOKS && held !== wanted; looks++) {
    if (looks > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    const page = await (await fetch(`http://127.0.0.1:${weir.operator}/metrics`)).text()
    const series = [...page.matchAll(/^weir_held\{.*\} (\d+)$/gm)]
    held = series.reduce((sum, [, value]) => sum + Number(value), 0)
  }
  if (held !== wanted) throw new Error(`${held} calls are held instead of ${wanted}`)
}

async function size(weir: Server, file: string): Promise<{ resident: number; heap: number }> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const { memory } = await inspect(weir.pid, file)
  return { resident: residentBytesOf(weir.pid), heap: memory.heapUsed + memory.external }
}
