/** Earlier frames in columns: what the charts of a page that comes (back) need, and no more. */
import { CONDITIONS } from '../core/model.ts'
import type { LiveFrame, LiveUpstream } from './live-frame.ts'

export interface LiveHistory {
  /** Seconds since 1970, ascending. */
  readonly times: readonly number[]
  /** By upstream, one value per time. */
  readonly upstreams: readonly UpstreamHistory[]
  readonly agents: readonly string[]
  /** Index of a time, index of an agent, retries in that second. */
  readonly retries: readonly (readonly [time: number, agent: number, count: number])[]
}

export interface UpstreamHistory {
  readonly name: string
  readonly p50: readonly number[]
  readonly p99: readonly number[]
  readonly healthyP50: readonly number[]
  readonly healthyP99: readonly number[]
  /** Index in `CONDITIONS`: the order of severity. */
  readonly condition: readonly number[]
}

/** The part of a frame that the history is made of; the rest is let go. */
export interface PastFrame extends Pick<LiveFrame, 'time' | 'retries'> {
  readonly upstreams: readonly Pick<LiveUpstream, 'name' | 'latency' | 'baseline' | 'condition'>[]
}

export function kept({ time, retries, upstreams }: LiveFrame): PastFrame {
  return {
    time,
    retries,
    upstreams: upstreams.map(({ name, latency, baseline, condition }) => ({
      name,
      latency,
      baseline,
      condition,
    })),
  }
}

/** Upstreams are fixed for the life of the process: every frame has the same, in the same order. */
export function historyOf(frames: readonly PastFrame[]): LiveHistory {
  const agents = new Map<string, number>()
  const retries: [number, number, number][] = []
  for (const [time, frame] of frames.entries()) {
    for (const [agent, count] of frame.retries) {
      const index = agents.get(agent) ?? agents.size
      agents.set(agent, index)
      retries.push([time, index, count])
    }
  }
  const upstreams = (frames[0]?.upstreams ?? []).map(({ name }, index) => {
    const rows = frames.map((frame) => frame.upstreams[index]!)
    return {
      name,
      p50: rows.map((row) => row.latency.p50),
      p99: rows.map((row) => row.latency.p99),
      healthyP50: rows.map((row) => row.baseline.p50),
      healthyP99: rows.map((row) => row.baseline.p99),
      condition: rows.map((row) => CONDITIONS.indexOf(row.condition)),
    }
  })
  return {
    times: frames.map((frame) => Date.parse(frame.time) / 1000),
    upstreams,
    agents: [...agents.keys()],
    retries,
  }
}
