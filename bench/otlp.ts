/**
 * What the export to OpenTelemetry costs: CPU time of Weir per request with every call traced, with a tenth, with
 * metrics alone, and off; interleaved rounds, ratios against off are medians of per-round ratios. The collector is in
 * this process, and throws away what it gets.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import autocannon from 'autocannon'
import { buildWeir, startUpstream, startWeir } from './targets/all.ts'
import type { Target } from './targets/target.ts'

const MODES = {
  off: undefined,
  metrics: { traces: false },
  tenth: { sampleRatio: 0.1 },
  all: { sampleRatio: 1 },
} as const

interface Round {
  readonly cpuUs: number
  readonly p99Ms: number
}

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const rounds = options.smoke ? 1 : 9
  const seconds = options.smoke ? 1 : 2
  buildWeir()
  let exported = 0
  const collector = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (exported += chunk.length))
    request.on('end', () => response.end('{}'))
  })
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-otlp-'))
  const upstream = await startUpstream()
  const targets: [string, Target][] = []
  try {
    for (const [mode, otlp] of Object.entries(MODES)) {
      const file = join(directory, `${mode}.yaml`)
      const value = otlp === undefined ? {} : { otlp: { endpoint, interval: '1s', ...otlp } }
      writeFileSync(file, JSON.stringify(value))
      targets.push([mode, await startWeir(upstream.port, ['--config', file])])
    }
    const kept = new Map<string, Round[]>(targets.map(([mode]) => [mode, []]))
    for (let round = -1; round < rounds; round += 1) {
      for (const [mode, target] of targets) {
        const measured = await measure(target, round < 0 ? 1 : seconds)
        // The first pass of every target warms it up and is not counted.
        if (round >= 0) kept.get(mode)?.push(measured)
      }
    }
    return { ...summary(kept), exportedMiB: Math.round(exported / 2 ** 20) }
  } finally {
    for (const [, target] of targets) await target.stop()
    await upstream.stop()
    collector.closeAllConnections()
    collector.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** 1,000 calls a second: the queue never fills, so that every call that is to be traced is. */
async function measure(target: Target, seconds: number): Promise<Round> {
  const before = target.cpuMicros()
  const result = await autocannon({
    url: `http://127.0.0.1:${target.port}${target.prefix}/v1/models`,
    connections: 32,
    overallRate: 1000,
    duration: seconds,
  })
  if (result.errors > 0 || result.non2xx > 0)
    throw new Error(`${result.errors} errors, ${result.non2xx} not 2xx`)
  // What was begun is exported within a second.
  await new Promise((resolve) => setTimeout(resolve, 1200))
  return { cpuUs: (target.cpuMicros() - before) / result.requests.total, p99Ms: result.latency.p99 }
}

function summary(kept: Map<string, Round[]>): Record<string, unknown> {
  const off = kept.get('off') ?? []
  const figures: Record<string, unknown> = {}
  for (const [mode, rounds] of kept) {
    const costs = rounds.map(({ cpuUs }) => cpuUs)
    figures[mode] = {
      cpuUs: round3(median(costs)),
      spreadUs: [round3(Math.min(...costs)), round3(Math.max(...costs))],
      p99Ms: round3(median(rounds.map(({ p99Ms }) => p99Ms))),
      ratio: round3(median(costs.map((cost, at) => cost / (off[at]?.cpuUs ?? Number.NaN)))),
    }
  }
  return figures
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

function round3(value: number): number {
  return Math.round(value * 1000) / 1000
}
