/** The record of a call that never was, for tests of what becomes of it. */
import type { CallTrace } from '../../src/telemetry/otlp/call-trace.ts'

export function callTrace(changes: Partial<CallTrace> = {}): CallTrace {
  return {
    context: { traceId: '0af7651916cd43dd8448eb211c80319c', parentSpanId: 'b7ad6b7169203331' },
    startAt: 1_700_000_000_000,
    endAt: 1_700_000_000_250.5,
    callId: '4d1f8f0e-0000-4000-8000-000000000000',
    upstream: {
      name: 'up',
      host: 'api.internal',
      port: 443,
      base: 'https://api.internal/v2',
      basePath: '/v2',
    },
    agent: 'clerk',
    trust: 'claimed',
    workflow: '',
    method: 'POST',
    route: '/x/*',
    genAi: undefined,
    httpVersion: '1.1',
    status: 200,
    bytesIn: 10,
    bytesOut: 20,
    upgrade: false,
    outcome: 'passed',
    problem: '',
    verdict: 'pass',
    reason: 'healthy',
    rule: '',
    shadowVerdict: '',
    shadowReason: '',
    shadowRule: '',
    heldMs: 0,
    attempt: 0,
    condition: 'healthy',
    sent: { startAt: 1_700_000_000_001.25, status: 200, firstByteMs: 100.04 },
    ...changes,
  }
}
