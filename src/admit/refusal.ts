/**
 * A refusal of somebody else's call in the words that its client understands: the same rows, waits and bodies as
 * `proxy/respond.ts`, as a value, for answers that are not written to a connection of the proxy's own.
 */
import { familyOf } from '../core/families.ts'
import type { Millis } from '../core/model.ts'
import { waitFor } from '../proxy/advice.ts'
import { errorBody } from '../proxy/dialect.ts'
import type { Dialect } from '../proxy/options.ts'
import { HOLD_EXPIRED, REFUSALS } from '../proxy/refusals.ts'
import type { Decision } from './turn.ts'

export type Refused = Extract<Decision, { is: 'slot' | 'refused' }>

export interface RefusalText {
  readonly status: number
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** As in `proxy/respond.ts`: LangChain honours Retry-After on 429 alone. */
const ADVICE_ON_429_ONLY = /^langchain/

/** @param family of the client @param now on the clock of the decision */
export function refusalText(
  refused: Refused,
  client: { readonly family: string; readonly dialect: Dialect; readonly callId: string },
  now: Millis,
): RefusalText {
  const row = REFUSALS[refused.reason]
  let status: number = row.finalStatus
  let { code, message } = row
  let retryAfterMs = 0
  const headers: Record<string, string> = {
    'weir-verdict': refused.verdict,
    'weir-reason': refused.reason,
    'weir-source': 'proxy',
    'cache-control': 'no-store',
    ...(client.callId === '' ? {} : { 'weir-call-id': client.callId }),
  }
  if (refused.is === 'slot') {
    const family = familyOf(client.family)
    const wait = waitFor(family, refused.at - now)
    status = ADVICE_ON_429_ONLY.test(family.name) ? 429 : row.status
    retryAfterMs = wait.ms
    headers['retry-after'] = String(wait.seconds)
    headers['retry-after-ms'] = String(wait.ms)
  } else if (refused.verdict === 'hold') {
    ;({ status, code, message } = HOLD_EXPIRED)
  }
  headers['x-should-retry'] = String(refused.is === 'slot')
  const error = { status, code, message, callId: client.callId, retryAfterMs }
  const { contentType, text } = errorBody(client.dialect, error)
  return { status, headers: { ...headers, 'content-type': contentType }, body: text }
}
