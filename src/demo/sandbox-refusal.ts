/** How each API says no, and how it says what is left of the quota, in the words that its clients read. */
import type { Millis } from '../core/model.ts'
import type { SandboxDialect } from './sandbox-answer.ts'
import type { QuotaLeft } from './sandbox-capacity.ts'

export function refusalBody(dialect: SandboxDialect, status: number): string {
  const message = `the sandbox upstream answers ${status}`
  const type = status === 429 ? 'rate_limit_error' : status >= 500 ? 'server_error' : 'invalid_request_error'
  switch (dialect) {
    case 'openai':
      return JSON.stringify({
        error: { message, type, param: null, code: status === 429 ? 'rate_limit_exceeded' : null },
      })
    case 'anthropic': {
      const named = status === 529 || status === 503 ? 'overloaded_error' : status >= 500 ? 'api_error' : type
      return JSON.stringify({ type: 'error', error: { type: named, message } })
    }
    case 'gemini':
      return JSON.stringify({
        error: { code: status, message, status: status === 429 ? 'RESOURCE_EXHAUSTED' : 'UNAVAILABLE' },
      })
    case 'plain':
      return JSON.stringify({ error: message })
    default:
      return dialect satisfies never
  }
}

/** `retry-after` in whole seconds, rounded up, and its precise twin. */
export function retryHeaders(retryAfterMs: Millis): Record<string, string> {
  if (retryAfterMs < 0) return {}
  return {
    'retry-after': String(Math.ceil(retryAfterMs / 1000)),
    'retry-after-ms': String(Math.ceil(retryAfterMs)),
  }
}

/** OpenAI: durations such as `1.5s`; Anthropic: instants of RFC 3339. `wall` is the wall clock in ms. */
export function quotaHeaders(
  dialect: SandboxDialect,
  quota: QuotaLeft,
  wall: number,
): Record<string, string> {
  const resetMs = Number.isFinite(quota.resetMs) ? Math.ceil(Math.max(0, quota.resetMs)) : 86_400_000
  const said = dialect === 'anthropic' ? 'anthropic-ratelimit-requests-' : 'x-ratelimit-'
  const name = (what: string): string =>
    dialect === 'anthropic' ? `${said}${what}` : `${said}${what}-requests`
  return {
    [name('limit')]: String(quota.limit),
    [name('remaining')]: String(quota.remaining),
    [name('reset')]: dialect === 'anthropic' ? new Date(wall + resetMs).toISOString() : `${resetMs / 1000}s`,
  }
}
