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
    const call = request(
      {
        agent,
        host: base.hostname,
        port: base.port,
        method: 'POST',
        path: `${base.pathname === '/' ? '' : base.pathname}/v1/chat/completions`,
        headers: {
          'content-type': 'application/json',
          'content-length': BODY.length,
          'user-agent': arrival.family,
          'weir-agent': arrival.agent,
          'weir-priority': arrival.priority,
          'x-call-id': String(arrival.fingerprint),
          'x-stainless-retry-count': String(Math.max(0, arrival.attempt - 1)),
          'x-stainless-timeout': String(Math.ceil(arrival.patienceMs / 1000)),
        },
      },
      (response) => {
        response.resume()
        response.on('end', () => finish(response.statusCode ?? 0, response.headers))
        response.on('error', () => finish(0, {}))
      },
    )
    call.on('error', () => finish(0, {}))
    call.end(BODY)
    return {
      abandon: () => {
        over = true
        call.destroy()
      },
    }
  }
}

const BODY = Buffer.from(
  JSON.stringify({ model: 'sandbox', messages: [{ role: 'user', content: 'x'.repeat(500) }] }),
)

function adviceOf(headers: IncomingHttpHeaders): number {
  const ms = Number(headers['retry-after-ms'] ?? Number.NaN)
  if (Number.isFinite(ms)) return ms
  const seconds = Number(headers['retry-after'] ?? Number.NaN)
  return Number.isFinite(seconds) ? seconds * 1000 : -1
}
