/** What the access log says of a call: see `ACCESS_FIELDS`. */
import type { Millis, Outcome } from './core/model.ts'
import type { Call } from './proxy/call.ts'
import { shownRoute } from './shown-route.ts'
import type { AccessFields } from './telemetry/log.ts'

export function callFields(call: Call, outcome: Outcome, now: Millis): AccessFields {
  const { arrival, verdict } = call
  const fields: AccessFields = {
    call: call.id,
    upstream: call.upstream.name,
    agent: arrival.agent,
    method: arrival.method,
    route: shownRoute(arrival.route),
    status: call.status,
    outcome,
    durationMs: tenths(now - call.arrivedAt),
    bytesIn: call.bytesIn,
    bytesOut: call.bytesOut,
  }
  if (arrival.workflow !== '') fields.workflow = arrival.workflow
  if (arrival.attempt > 0) fields.attempt = arrival.attempt
  if (call.heldMs > 0) fields.heldMs = tenths(call.heldMs)
  if (call.firstByteAt > 0) fields.firstByteMs = tenths(call.firstByteAt - call.sentAt)
  if (verdict !== undefined) {
    fields.verdict = verdict.do
    fields.reason = verdict.reason
  }
  return fields
}

function tenths(ms: Millis): Millis {
  return Math.round(ms * 10) / 10
}
