/**
 * The part of a credential that stays the same while one agent uses it; only its keyed hash ever leaves the
 * identifier. The same key under `authorization` and `x-api-key` is one agent (anthropic 0.x and 1.x).
 */

/** Browser WebSockets carry the key as a subprotocol (wire.md 5). */
const REALTIME_KEY = 'openai-insecure-api-key.'
const SIGV4 = 'AWS4-'
const SIGV4_SCOPE = 'Credential='

/** The secret in an `authorization` value; '' = none, or a scheme that changes with every call. */
export function secretIn(authorization: string): string {
  const space = authorization.indexOf(' ')
  if (space === -1) return authorization
  if (authorization.startsWith(SIGV4)) return accessKeyIn(authorization)
  const scheme = authorization.slice(0, space).toLowerCase()
  if (scheme === 'bearer' || scheme === 'token' || scheme === 'apikey' || scheme === 'key') {
    return authorization.slice(space + 1).trim()
  }
  // Digest, Negotiate and NTLM differ from call to call.
  return scheme === 'basic' ? authorization : ''
}

/** SigV4: the access key's id, without the date and region of its scope. */
function accessKeyIn(authorization: string): string {
  const at = authorization.indexOf(SIGV4_SCOPE)
  if (at === -1) return ''
  const from = at + SIGV4_SCOPE.length
  const to = authorization.indexOf('/', from)
  return to === -1 ? '' : authorization.slice(from, to)
}

/** The key among `sec-websocket-protocol` values; '' = none. */
export function secretInProtocols(protocols: string): string {
  const at = protocols.indexOf(REALTIME_KEY)
  if (at === -1) return ''
  const from = at + REALTIME_KEY.length
  const comma = protocols.indexOf(',', from)
  return protocols.slice(from, comma === -1 ? protocols.length : comma).trim()
}
