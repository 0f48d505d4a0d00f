/**
 * Interim answers of an upstream's. RFC 9110 15.2 has a proxy pass them on, but Python's http.client, and so
 * requests, urllib3 and botocore, take any but 100 for the final answer (wire.md 0.7): only families that were
 * seen to bear 102 get it, and nobody gets 103, whose links mean nothing to an API client.
 */
import { familyOf } from '../core/families.ts'
import type { Call } from './call.ts'
import type { Responder } from './respond.ts'
import { wantsProcessing } from './silence.ts'

export function passInterim(call: Call, status: number, respond: Responder): void {
  const family = familyOf(call.arrival.family)
  if (status === 102 && wantsProcessing(call, family, Infinity)) respond.interim(call, 102)
}
