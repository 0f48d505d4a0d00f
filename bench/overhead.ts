/**
 * What a call through Weir costs when nothing is wrong, beside other proxies on the same machine in the same run.
 * Main figure: CPU time of the proxy's processes per request (user + system, from /proc), which is far steadier
 * than throughput on a shared machine. Rounds are interleaved; ratios are medians of per-round ratios.
 */
import { createHash } from 'node:crypto'
import { request as httpRequest, Agent } from 'node:http'
import autocannon from 'autocannon'
import { buildWeir, startAll, startUpstream } from './targets/all.ts'
import type { Target } from './targets/target.ts'

interface Shape {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body: Buffer | undefined
  readonly connections: number
}

const SHAPES: readonly Shape[] = [
  { name: 'get', method: 'GET', path: '/v1/models', body: undefined, connections: 64 },
  {
    name: 'post2k',
    method: 'POST',
    path: '/v1/chat/completions',
    body: Buffer.alloc(2048, 'a'),
    connections: 64,
  },
  {
    name: 'post512k',
    method: 'POST',
    path: '/v1/chat/completions',
    body: Buffer.alloc(524_288, 'b'),
    connections: 8,
  },
  { name: 'sse', method: 'GET', path: '/sse', body: undefined, connections: 16 },
]

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const rounds = options.smoke ? 1 : 9
  const seconds = options.smoke ? 1 : 2
  buildWeir()
  const upstream = await startUpstream()
  const targets = await startAll(upstream.port)
  try {
    await proveCorrect(upstream.port, targets)
    const figures: Record<string, unknown> = {}
    for (const shape of SHAPES) {
      const costs = await measure(shape, targets, rounds, seconds)
      if (shape.name === 'get') {
        Object.assign(figures, summary(costs), { journalCpuRatio: journalRatio(costs) })
      } else figures[shape.name] = summary(costs)
    }
    Object.assign(figures, await addedLatency(upstream.port, targets, options.smoke ? 1 : 5))
    return figures
  } finally {
    for (const target of targets) await target.stop()
    await upstream.stop()
  }
}

/** Every target must give the upstream's bytes before any of them is timed. */
async function proveCorrect(direct: number, targets: readonly Target[]): Promise<void> {
  for (const shape of SHAPES) {
    const expected = await hash(direct, '', shape)
    for (const target of targets) {
      const got = await hash(target.port, target.prefix, shape)
      if (got !== expected) throw new Error(`${target.name} does not answer ${shape.name} like the upstream`)
    }
  }
}

function hash(port: number, prefix: string, shape: Shape): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path: prefix + shape.path, method: shape.method }
    const request = httpRequest(options, (response) => {
      const digest = createHash('sha256').update(String(response.statusCode))
      response.on('data', (chunk: Buffer) => digest.update(chunk))
      response.on('end', () => resolve(digest.digest('hex')))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(shape.body)
  })
}

/** CPU microseconds per request by target, one entry a round. */
async function measure(
  shape: Shape,
  targets: readonly Target[],
  rounds: number,
  seconds: number,
): Promise<Map<string, number[]>> {
  const costs = new Map<string, number[]>(targets.map((target) => [target.name, []]))
  for (let round = -1; round < rounds; round++) {
    for (const target of targets) {
      const before = target.cpuMicros()
      const result = await autocannon({
        url: `http://127.0.0.1:${target.port}${target.prefix}${shape.path}`,
        method: shape.method,
        ...(shape.body === undefined ? {} : { body: shape.body }),
        connections: shape.connections,
        duration: round < 0 ? 1 : seconds,
      })
      if (result.errors > 0 || result.non2xx > 0) {
        throw new Error(`${target.name} ${shape.name}: ${result.errors} errors, ${result.non2xx} not 2xx`)
      }
      const cost = (target.cpuMicros() - before) / result.requests.total
      // The first pass of every target warms it up and is not counted.
      if (round >= 0) costs.get(target.name)?.push(cost)
    }
  }
  return costs
}

function summary(costs: Map<string, number[]>): Record<string, unknown> {
  const cpuUs: Record<string, number> = {}
  const spreadUs: Record<string, number[]> = {}
  const ratio: Record<string, number> = {}
  const own = costs.get('weir') ?? []
  for (const [name, values] of costs) {
    cpuUs[name] = round1(median(values))
    spreadUs[name] = [round1(Math.min(...values)), round1(Math.max(...values))]
    if (name !== 'weir') ratio[name] = round3(median(values.map((value, index) => (own[index] ?? 0) / value)))
  }
  return { cpuUs, spreadUs, ratio }
}

/** What a journal adds: CPU per request with one over that without, by rounds. */
function journalRatio(costs: Map<string, number[]>): number {
  const without = costs.get('weir') ?? []
  const ratios = (costs.get('weirJournal') ?? []).map((value, round) => value / (without[round] ?? 0))
  return round3(median(ratios))
}

/** Latency at a fixed 1,000 calls a second (open loop, no coordinated omission), less the same without a proxy. */
async function addedLatency(direct: number, targets: readonly Target[], seconds: number) {
  const compared = targets.filter((target) => target.name === 'weir' || target.name === 'nginx')
  const samples = new Map<string, { p50: number[]; p99: number[] }>()
  for (let round = 0; round < 5; round++) {
    const base = await fixedRate(direct, '/v1/models', seconds)
    for (const target of compared) {
      const values = await fixedRate(target.port, `${target.prefix}/v1/models`, seconds)
      const kept = samples.get(target.name) ?? { p50: [], p99: [] }
      kept.p50.push(quantile(values, 0.5) - quantile(base, 0.5))
      kept.p99.push(quantile(values, 0.99) - quantile(base, 0.99))
      samples.set(target.name, kept)
    }
  }
  const addedMsP50: Record<string, number> = {}
  const addedMsP99: Record<string, number> = {}
  for (const [name, kept] of samples) {
    addedMsP50[name] = round3(median(kept.p50))
    addedMsP99[name] = round3(median(kept.p99))
  }
  return { addedMsP50, addedMsP99 }
}

/** One call a millisecond for `seconds`; a late start counts as latency. */
async function fixedRate(port: number, path: string, seconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const values: number[] = []
  const total = seconds * 1000
  let started = 0
  let ended = 0
  const startedAt = performance.now()
  await new Promise<void>((resolve, reject) => {
    const one = (due: number): void => {
      const request = httpRequest({ host: '127.0.0.1', port, path, agent }, (response) => {
        response.resume()
        response.on('end', () => {
          values.push(performance.now() - due)
          if (++ended === total) resolve()
        })
      })
      request.on('error', reject)
      request.end()
    }
    const timer = setInterval(() => {
      const now = performance.now() - startedAt
      while (started < total && started <= now) one(startedAt + started++)
      if (started === total) clearInterval(timer)
    }, 1)
  })
  agent.destroy()
  return values.slice(Math.min(500, values.length >> 2))
}

function median(values: readonly number[]): number {
  return quantile(values, 0.5)
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

function round1(value: number): number {
  return Math.round(value * 10) / 10
}

function round3(value: number): number {
  return Math.round(value * 1000) / 1000
}
