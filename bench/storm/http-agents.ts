/** Attempts of modelled agents as real requests, with the headers that the clients' SDKs send. */
import { request, type Agent, type IncomingHttpHeaders } from 'node:http'
import type { Submit } from '../../test/kit/sim/agent-model.ts'
import type { RealClock } from './real-clock.ts'

export interface Act {
  readonly at: number
  readonly do: string
  readonly reason: string
}

/** Where calls to each upstream go: `http://host:port/prefix`. */
export function httpSubmit(clock: RealClock, bases: readonly string[], acts: Act[], agent: Agent): Submit {
  return (arrival, answer) => {
    const base = new URL(bases[arrival.upstream] ?? '')
    const sentAt = clock.now
    let over = false
    const finish = (status: number, headers: IncomingHttpHeaders): void => {
      if (over) return
      over = true
      const verdict = headers['weir-verdict']
      if (verdict !== undefined && verdict !== 'pass') {
        acts.push({ at: sentAt, do: String(verdict), reason: String(headers['weir-reason']) })
      }
      answer({ status, retryAfterMs: adviceOf(headers), by: 'upstream' })
    }
    const body = Buffer.alloc(Math.max(1, arrival.bytes), 'x')
    const call = request(
      {
        agent,
        host: base.hostname,
        port: base.port,
        method: 'POST',
        path: `${base.pathname === '/' ? '' : base.pathname}/v1/chat/completions`,
        headers: {
          'content-type': 'application/json',
          'content-length': body.length,
          ...sdkHeaders(arrival),
          'weir-agent': arrival.agent,
          'weir-priority': arrival.priority,
          'x-call-id': String(arrival.fingerprint),
        },
      },
      (response) => {
        response.resume()
        response.on('end', () => finish(response.statusCode ?? 0, response.headers))
        response.on('error', () => finish(0, {}))
      },
    )
    call.on('error', () => finish(0, {}))
    call.end(body)
    return {
      abandon: () => {
        over = true
        call.destroy()
      },
    }
  }
}

/** What tells Weir the client: user agents as they are on the wire, and of those SDKs that count their tries the count. */
const USER_AGENTS: Readonly<Record<string, string>> = {
  'openai-js': 'OpenAI/JS 7.55.0',
  'anthropic-js': 'Anthropic/JS 1.11.0',
  'ai-sdk': 'ai/7.0.173 ai-sdk-provider-utils/5.0.81 node.js/24',
}

function sdkHeaders({ family, attempt, patienceMs }: Parameters<Submit>[0]): Record<string, string> {
  const userAgent = USER_AGENTS[family]
  if (userAgent === undefined) throw new Error(`no user agent is known of ${family}`)
  if (family === 'ai-sdk') return { 'user-agent': userAgent }
  return {
    'user-agent': userAgent,
    'x-stainless-retry-count': String(Math.max(0, attempt - 1)),
    'x-stainless-timeout': String(Math.ceil(patienceMs / 1000)),
  }
}

function adviceOf(headers: IncomingHttpHeaders): number {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN)
  if (Number.isFinite(ms)) return ms
  const seconds = Number(headers['retry-after'] ?? Number.NaN)
  return Number.isFinite(seconds) ? seconds * 1000 : -1
}
