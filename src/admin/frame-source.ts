/** The frame of this moment, from the core and from what else there is to tell. */
import type { Coordinator } from '../core/coordinator.ts'
import type { Millis } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import type { LiveFrame, LiveRule } from './live-frame.ts'
import { liveAgents, liveUpstreams, liveWorkflows, MOST_ROWS, Rates } from './live-rows.ts'
import type { UpstreamName } from './live-rows.ts'

export interface FrameSources {
  readonly core: Pick<Coordinator, 'read' | 'agents' | 'workflows'>
  /** Monotonic. */
  readonly clock: () => Millis
  /** Wall clock in ms. */
  readonly wall: () => number
  /** By index. */
  readonly upstreams: readonly UpstreamName[]
  readonly version: string
  readonly control: boolean
  state(): string
  /** Where agents connect, as a URL. */
  agentsUrl(): string
  policy(): Policy
  rules(): readonly LiveRule[]
}

/** Looked at for the retries of one second; the core lists the busiest first. */
const LOOKED_AT = 1000
/** Below this an agent did not retry: the core counts a guess by its weight. */
const LEAST_RETRIES = 0.05

/** Answers what builds the frames; each call's rates count from the call before. */
export function frameSource(sources: FrameSources): () => LiveFrame {
  const { core, clock, wall, upstreams } = sources
  const startedAt = clock()
  const rates = new Rates(startedAt)
  return () => {
    const now = clock()
    const reading = core.read(now)
    const known = core.agents(now, LOOKED_AT)
    const flows = core.workflows(now, LOOKED_AT)
    rates.begin(now)
    const agents = liveAgents(known, now, rates)
    const frame: LiveFrame = {
      time: new Date(wall()).toISOString(),
      version: sources.version,
      state: sources.state(),
      uptimeMs: Math.round(now - startedAt),
      open: reading.open,
      control: sources.control,
      agentsUrl: sources.agentsUrl(),
      upstreams: liveUpstreams(reading, upstreams, sources.policy().upstreams, rates),
      agentsKnown: reading.agentsKnown,
      agents: agents.slice(0, MOST_ROWS),
      retries: agents
        .filter((row) => row.retriesPerSecond > LEAST_RETRIES)
        .slice(0, MOST_ROWS)
        .map((row) => [row.agent, row.retriesPerSecond] as const),
      workflowsKnown: reading.workflowsKnown,
      workflows: liveWorkflows(flows, now).slice(0, MOST_ROWS),
      rules: sources.rules(),
    }
    rates.end(reading.upstreams, known, known.length < LOOKED_AT)
    return frame
  }
}
