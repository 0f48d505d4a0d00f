/**
 * What a proxy does to the pace of an event stream: the upstream sends an event every ten milliseconds, and says in it
 * when by the machine's monotonic clock. Beside the same without a proxy.
 */
import { request as httpRequest } from 'node:http'
import type { Target } from '../targets/target.ts'
import { median, quantile, rounded } from './quantiles.ts'

const STREAMS = 16
const STAGGER_MS = 7
const STAMP = /"at":([\d.]+)/g

interface Timing {
  /** From the request to the first event. */
  readonly firstByteMs: number[]
  /** Between two events, as they come. */
  readonly gapMs: number[]
  /** From the upstream's write of an event to its arrival. */
  readonly transitMs: number[]
}

/** Added milliseconds by target, at the 99th percentile. */
export async function streamTiming(
  direct: number,
  targets: readonly Target[],
  rounds: number,
): Promise<Record<string, unknown>> {
  const compared = targets.filter(({ name }) => name === 'weir' || name === 'nginx' || name === 'base')
  const added = compared.map(({ name }) => ({
    name,
    first: [] as number[],
    gap: [] as number[],
    transit: [] as number[],
  }))
  for (let round = -1; round < rounds; round++) {
    const base = await streams(direct, '')
    for (const [index, target] of compared.entries()) {
      const timing = await streams(target.port, target.prefix)
      if (round < 0) continue
      added[index]?.first.push(quantile(timing.firstByteMs, 0.99) - quantile(base.firstByteMs, 0.99))
      added[index]?.gap.push(quantile(timing.gapMs, 0.99) - quantile(base.gapMs, 0.99))
      added[index]?.transit.push(quantile(timing.transitMs, 0.99) - quantile(base.transitMs, 0.99))
    }
  }
  const byName = (of: (timing: (typeof added)[number]) => number[]): Record<string, number> =>
    Object.fromEntries(added.map((timing) => [timing.name, rounded(median(of(timing)), 3)]))
  return {
    sseFirstByteAddedMsP99: byName(({ first }) => first),
    sseGapAddedMsP99: byName(({ gap }) => gap),
    sseTransitAddedMsP99: byName(({ transit }) => transit),
  }
}

async function streams(port: number, prefix: string): Promise<Timing> {
  const timing: Timing = { firstByteMs: [], gapMs: [], transitMs: [] }
  const all = Array.from({ length: STREAMS }, async (_, index) => {
    await new Promise((resolve) => setTimeout(resolve, index * STAGGER_MS))
    await stream(port, `${prefix}/sse-paced`, timing)
  })
  await Promise.all(all)
  return timing
}

function stream(port: number, path: string, timing: Timing): Promise<void> {
  return new Promise((resolve, reject) => {
    const askedAt = nowMs()
    let lastAt = 0
    const request = httpRequest({ host: '127.0.0.1', port, path }, (response) => {
      response.setEncoding('latin1')
      response.on('data', (text: string) => {
        const at = nowMs()
        for (const [, sentAt] of text.matchAll(STAMP)) timing.transitMs.push(at - Number(sentAt))
        if (lastAt === 0) timing.firstByteMs.push(at - askedAt)
        else timing.gapMs.push(at - lastAt)
        lastAt = at
      })
      response.on('end', resolve)
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end()
  })
}

/** By the clock that all processes of a machine share. */
function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
