/**
 * What a call through Weir costs when nothing is wrong, beside other proxies on the same machine in the same run: CPU
 * per request by shape, latency added at a fixed rate, what becomes of the pace of streams. `overhead/selection.ts`
 * says how to run a part of it; docs/performance.md says what the figures cannot say.
 */
import { coordinationCost, journalRatio, measureCpu, summary } from './overhead/cpu-cost.ts'
import { addedLatency } from './overhead/fixed-rate.ts'
import { selectionOf } from './overhead/selection.ts'
import { proveCorrect } from './overhead/shapes.ts'
import { streamTiming } from './overhead/stream-timing.ts'
import { buildWeir, startAll, startUpstream } from './targets/all.ts'

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const selection = selectionOf(process.env, options.smoke)
  buildWeir()
  const upstream = await startUpstream()
  const targets = await startAll(upstream.port, selection.arms)
  try {
    await proveCorrect(upstream.port, targets, selection.shapes)
    const figures: Record<string, unknown> = {}
    for (const shape of selection.parts.has('cpu') ? selection.shapes : []) {
      const costs = await measureCpu(shape, targets, selection.rounds)
      // The figures of the small call stand by themselves, the others by their shape.
      if (shape.name === 'get') {
        Object.assign(figures, summary(costs), journalRatio(costs), coordinationCost(costs))
      } else figures[shape.name] = { ...summary(costs), ...coordinationCost(costs) }
    }
    liftPortkey(figures)
    if (selection.parts.has('latency')) {
      Object.assign(figures, await addedLatency(upstream.port, targets, selection.latencySeconds))
    }
    if (selection.parts.has('stream')) {
      Object.assign(figures, await streamTiming(upstream.port, targets, options.smoke ? 1 : 5))
    }
    return figures
  } finally {
    for (const target of targets) await target.stop()
    await upstream.stop()
  }
}

/** The one small call that it can carry is a POST. */
function liftPortkey(figures: Record<string, unknown>): void {
  const small = figures['ratio'] as Record<string, number> | undefined
  const post = figures['post2k'] as { ratio: Record<string, number> } | undefined
  const portkey = post?.ratio['portkey']
  if (small !== undefined && portkey !== undefined) small['portkey'] = portkey
}
