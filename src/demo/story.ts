/**
 * The demo's story, played once per arm on the same script: an identity provider that browns out and a model that
 * wobbles, under the same fleet. Only the agents' base URLs differ between the arms.
 */
import type { Millis } from '../core/model.ts'
import { Fleet, type AgentCall, type BaseUrl, type FleetShape, type UpstreamName } from './fleet.ts'
import { createSandbox, type Sandbox } from './sandbox.ts'
import type { SandboxBehaviour } from './sandbox-script.ts'

export interface StoryTimes {
  readonly healthyMs: Millis
  readonly troubleMs: Millis
  readonly afterMs: Millis
}

/** Long enough to see the cascade and its end; both arms together take under two minutes. */
export const FULL: StoryTimes = { healthyMs: 10_000, troubleMs: 14_000, afterMs: 16_000 }
export const QUICK: StoryTimes = { healthyMs: 6_000, troubleMs: 8_000, afterMs: 6_000 }

/** 20 calls a second to each upstream, a quarter of them critical. */
export const FLEET: FleetShape = { agents: 20, critical: 5, perSecond: 1, timeoutMs: 4_000 }

/** Two thirds loaded while healthy; in trouble less than a third of the capacity is left, which still is more than critical asks for. */
const IDP = { servers: 6, serviceMs: 200, sigma: 0.2 }
const MODEL = { servers: 9, serviceMs: 300, sigma: 0.3 }

export type Phase = 'healthy' | 'trouble' | 'after'

export interface Upstreams {
  readonly idp: Sandbox
  readonly model: Sandbox
}

export interface Arm {
  readonly name: 'direct' | 'weir'
  readonly baseUrl: BaseUrl
  /** Calls held so far, and asked to come back at a slot of their own. */
  readonly acts: () => { held: number; slotted: number }
  readonly stop: () => Promise<void>
}

/** What one arm came to; times in ms, ratios plain. */
export interface ArmResult {
  readonly arm: string
  readonly calls: number
  /** Attempts that reached an upstream per logical call, for calls begun while it was in trouble. */
  readonly attemptsPerCall: number
  readonly failed: number
  readonly criticalFailed: number
  readonly criticalP99Ms: Millis
  readonly healthyCriticalP99Ms: Millis
  readonly recoverSeconds: number
  readonly held: number
  readonly slotted: number
}

export interface Progress {
  readonly arm: string
  readonly phase: Phase
  readonly elapsedMs: Millis
  readonly result: ArmResult
}

export async function play(
  prepare: (upstreams: Upstreams) => Promise<Arm>,
  times: StoryTimes,
  onProgress: (progress: Progress) => void,
): Promise<ArmResult> {
  const upstreams = { idp: createSandbox({ seed: 1 }), model: createSandbox({ seed: 2 }) }
  upstreams.idp.behave(script(IDP, times, { slow: 3.5 }))
  upstreams.model.behave(script(MODEL, times, { slow: 2, slowEnd: 3.5 }))
  await Promise.all([upstreams.idp.listen(), upstreams.model.listen()])
  const arm = await prepare(upstreams)
  const fleet = new Fleet(FLEET)
  const startedAt = performance.now()
  const read = (): ArmResult => resultOf(arm, fleet.calls, upstreams, startedAt, times)
  await fleet.start(arm.baseUrl)
  const total = times.healthyMs + times.troubleMs + times.afterMs
  for (let elapsedMs = 0; elapsedMs < total; elapsedMs = performance.now() - startedAt) {
    onProgress({ arm: arm.name, phase: phaseAt(elapsedMs, times), elapsedMs, result: read() })
    await sleep(Math.min(500, total - elapsedMs))
  }
  fleet.stop()
  for (let waited = 0; fleet.open > 0 && waited < FLEET.timeoutMs; waited += 100) await sleep(100)
  const result = read()
  await arm.stop()
  await Promise.all([upstreams.idp.close(), upstreams.model.close()])
  return result
}

function script(
  healthy: Pick<SandboxBehaviour, 'servers' | 'serviceMs' | 'sigma'>,
  times: StoryTimes,
  trouble: { slow: number; slowEnd?: number },
): Partial<SandboxBehaviour> {
  const until = times.healthyMs + times.troubleMs
  return { ...healthy, phases: [{ from: times.healthyMs, until, ...trouble }] }
}

function phaseAt(elapsedMs: Millis, times: StoryTimes): Phase {
  if (elapsedMs < times.healthyMs) return 'healthy'
  return elapsedMs < times.healthyMs + times.troubleMs ? 'trouble' : 'after'
}

function resultOf(
  arm: Arm,
  calls: readonly AgentCall[],
  upstreams: Upstreams,
  startedAt: number,
  times: StoryTimes,
): ArmResult {
  const now = performance.now()
  const troubleAt = startedAt + times.healthyMs
  const wellAt = troubleAt + times.troubleMs
  const since = calls.filter((call) => call.startedAt >= troubleAt)
  const during = since.filter((call) => call.startedAt < wellAt)
  const failed = calls.filter((call) => call.endedAt !== Infinity && !call.ok)
  const critical = calls.filter((call) => call.critical && call.ok)
  return {
    arm: arm.name,
    calls: calls.length,
    attemptsPerCall: attempts(during, upstreams) / Math.max(1, during.length),
    failed: failed.length,
    criticalFailed: failed.filter((call) => call.critical).length,
    criticalP99Ms: p99(critical.filter((call) => call.startedAt >= troubleAt)),
    healthyCriticalP99Ms: p99(critical.filter((call) => call.startedAt < troubleAt)),
    recoverSeconds:
      now < wellAt ? Number.NaN : recovery(since, wellAt, Math.min(now, wellAt + times.afterMs)),
    ...arm.acts(),
  }
}

function attempts(calls: readonly AgentCall[], upstreams: Upstreams): number {
  let sum = 0
  for (const call of calls)
    sum += upstreams[call.upstream satisfies UpstreamName].ledger.calls.get(call.id)?.attempts ?? 0
  return sum
}

function p99(calls: readonly AgentCall[]): Millis {
  if (calls.length === 0) return Number.NaN
  const sorted = calls.map((call) => call.endedAt - call.startedAt).toSorted((a, b) => a - b)
  return sorted[Math.floor(0.99 * (sorted.length - 1))] ?? Number.NaN
}

/** From the end of the trouble to the last second whose new calls did not all succeed within an attempt's time. */
function recovery(calls: readonly AgentCall[], wellAt: number, until: number): number {
  let last = wellAt
  for (let from = wellAt; from + 1000 <= until; from += 1000) {
    const born = calls.filter((call) => call.startedAt >= from && call.startedAt < from + 1000)
    const late = born.filter(
      (call) => call.endedAt - call.startedAt > FLEET.timeoutMs || (call.endedAt < Infinity && !call.ok),
    )
    if (late.length > 0.05 * born.length) last = from + 1000
  }
  return (last - wellAt) / 1000
}

function sleep(ms: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
