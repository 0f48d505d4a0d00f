/** Puts an upstream's own credential on a head, after all that its agent could say about it. */

import { KEY_HEADER } from '../identity/shown-credential.ts'
import { CREDENTIAL_HEADERS } from '../identity/upstream-credentials.ts'

/** What Weir puts on the calls of one upstream. */
export interface Injected {
  /** Flat list of names and values. */
  readonly headers: readonly string[]
  /** Lower-case names that end here: all places of credentials, besides what ends here anyway. */
  readonly stripped: ReadonlySet<string>
}

/** A browser's WebSocket carries its key as a subprotocol (wire.md 5), which an upstream must not see: it is Weir's. */
const PROTOCOL_KEY = 'openai-insecure-api-key.'

/**
 * What of a head may be kept for later: nothing that was shown to Weir, and of an upstream whose credential Weir puts on
 * none that its agent sent in its place.
 */
export function keptOf(rawHeaders: readonly string[], injected: Injected | undefined): readonly string[] {
  const kept: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const lower = rawHeaders[index]!.toLowerCase()
    if (lower === KEY_HEADER || (CREDENTIAL_HEADERS.has(lower) && injected !== undefined)) continue
    kept.push(rawHeaders[index]!, rawHeaders[index + 1]!)
  }
  return kept
}

/** @param head flat list of names and values; changed in place */
export function putOn(head: string[], { headers }: Injected, isUpgrade: boolean): void {
  if (isUpgrade) dropProtocolKey(head)
  head.push(...headers)
}

function dropProtocolKey(head: string[]): void {
  for (let index = 0; index + 1 < head.length; index += 2) {
    if (head[index]!.toLowerCase() !== 'sec-websocket-protocol') continue
    const left = head[index + 1]!.split(',').filter((part) => !part.trim().startsWith(PROTOCOL_KEY))
    if (left.length > 0) head[index + 1] = left.join(',').trim()
    else {
      head.splice(index, 2)
      index -= 2
    }
  }
}
