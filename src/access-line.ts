/** What the access log says of a call: see `ACCESS_FIELDS`. */
import type { Millis, Outcome } from './core/model.ts'
import type { Call } from './proxy/call.ts'
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

/** A plain word of an API, or a version such as `v1beta`. */
const PLAIN = /^(?:[a-z][a-z_-]{0,23}|v\d{1,2}(?:(?:alpha|beta)\d{0,2})?)$/i

/**
 * The route with only its plain words. The template of the core folds what looks like an id; a log must also not
 * repeat what merely might be a secret, so whatever holds a digit or is long becomes `*` as well.
 */
export function shownRoute(route: string): string {
  const shown = route.split('/').map((segment) =>
    segment
      .split(':')
      .map((part) => (part === '' || PLAIN.test(part) ? part : '*'))
      .join(':'),
  )
  return shown.join('/')
}

function tenths(ms: Millis): Millis {
  return Math.round(ms * 10) / 10
}
