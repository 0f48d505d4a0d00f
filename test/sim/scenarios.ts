/** The mission's five stories as upstream scripts and populations; each has a policy file of the same name. */
import type { Scenario } from '../kit/sim/scenario.ts'
import type { UpstreamShape } from '../kit/sim/upstream-model.ts'

const QUEUE = 2000

function upstream(
  servers: number,
  serviceMs: number,
  phases: UpstreamShape['phases'],
  sigma = 0.3,
): UpstreamShape {
  return { servers, serviceMs, sigma, queue: QUEUE, phases }
}

/** The identity provider browns out to a fifth of its capacity; verifications are worth waiting for. */
const kyc: Scenario = {
  name: 'kyc',
  seed: 11,
  durationMs: 150_000,
  upstreams: { idp: upstream(20, 200, [{ from: 60_000, until: 90_000, slow: 5 }]) },
  trouble: { from: 60_000, until: 90_000, upstream: 0 },
  populations: [
    {
      name: 'kyc-live',
      agents: 15,
      upstream: 0,
      perSecond: 0.7,
      priority: 'critical',
      timeoutMs: 20_000,
      deadlineMs: 20_000,
      family: 'openai-js',
      bytes: 900,
    },
    {
      name: 'kyc-onboard',
      agents: 60,
      upstream: 0,
      perSecond: 1,
      priority: 'normal',
      timeoutMs: 30_000,
      deadlineMs: 60_000,
      family: 'openai-js',
      bytes: 900,
    },
  ],
}

/** A live call shares its model with summaries and transcripts; the model wobbles to a third of its speed. */
const voice: Scenario = {
  name: 'voice',
  seed: 12,
  durationMs: 140_000,
  upstreams: { model: upstream(30, 300, [{ from: 60_000, until: 85_000, slow: 1, slowEnd: 4 }]) },
  trouble: { from: 60_000, until: 85_000, upstream: 0 },
  populations: [
    {
      name: 'voice-live',
      agents: 10,
      upstream: 0,
      perSecond: 1,
      priority: 'critical',
      timeoutMs: 6_000,
      deadlineMs: 6_000,
      family: 'openai-js',
      bytes: 2_000,
    },
    {
      name: 'voice-summary',
      agents: 40,
      upstream: 0,
      perSecond: 1.2,
      priority: 'batch',
      timeoutMs: 30_000,
      deadlineMs: 90_000,
      family: 'anthropic-js',
      bytes: 20_000,
    },
  ],
}

/** One of two equal model regions runs into its quota and locks out whoever insists. */
const multiModel: Scenario = {
  name: 'multi-model',
  seed: 13,
  durationMs: 140_000,
  upstreams: {
    'model-a': upstream(30, 250, [
      { from: 60_000, until: 85_000, rateLimit: { perSecond: 30, retryAfterMs: 2_000, lockoutMs: 1_000 } },
    ]),
    'model-b': upstream(30, 250, []),
  },
  trouble: { from: 60_000, until: 85_000, upstream: 0 },
  populations: [
    {
      name: 'chat',
      agents: 30,
      upstream: 0,
      perSecond: 0.8,
      priority: 'interactive',
      timeoutMs: 15_000,
      deadlineMs: 15_000,
      family: 'openai-js',
      bytes: 3_000,
    },
    {
      name: 'research',
      agents: 30,
      upstream: 0,
      perSecond: 1.2,
      priority: 'batch',
      timeoutMs: 30_000,
      deadlineMs: 90_000,
      family: 'ai-sdk',
      bytes: 8_000,
    },
    {
      name: 'writer',
      agents: 20,
      upstream: 1,
      perSecond: 1,
      priority: 'normal',
      timeoutMs: 30_000,
      deadlineMs: 30_000,
      family: 'anthropic-js',
      bytes: 8_000,
    },
  ],
}

/** Retrieval in wide bursts against a vector store that loses most of its servers. */
const rag: Scenario = {
  name: 'rag',
  seed: 14,
  durationMs: 130_000,
  upstreams: { vectors: upstream(16, 60, [{ from: 60_000, until: 80_000, servers: 4, errorRatio: 0.05 }]) },
  trouble: { from: 60_000, until: 80_000, upstream: 0 },
  populations: [
    {
      name: 'answer',
      agents: 20,
      upstream: 0,
      perSecond: 2,
      priority: 'critical',
      timeoutMs: 5_000,
      deadlineMs: 5_000,
      family: 'openai-js',
      bytes: 600,
    },
    {
      name: 'index',
      agents: 20,
      upstream: 0,
      perSecond: 5,
      priority: 'batch',
      timeoutMs: 20_000,
      deadlineMs: 60_000,
      family: 'ai-sdk',
      bytes: 4_000,
    },
  ],
}

/** Many sub-agents of one kind; the upstream stops dead, and comes back. */
const swarm: Scenario = {
  name: 'swarm',
  seed: 15,
  durationMs: 130_000,
  upstreams: { model: upstream(50, 400, [{ from: 60_000, until: 70_000, stopped: true }]) },
  trouble: { from: 60_000, until: 70_000, upstream: 0 },
  populations: [
    {
      name: 'worker',
      agents: 200,
      upstream: 0,
      perSecond: 0.35,
      priority: 'normal',
      timeoutMs: 30_000,
      deadlineMs: 45_000,
      family: 'openai-js',
      bytes: 5_000,
    },
    {
      name: 'lead',
      agents: 10,
      upstream: 0,
      perSecond: 0.5,
      priority: 'critical',
      timeoutMs: 30_000,
      deadlineMs: 20_000,
      family: 'anthropic-js',
      bytes: 5_000,
    },
  ],
}

export const SCENARIOS: readonly Scenario[] = [kyc, voice, multiModel, rag, swarm]
