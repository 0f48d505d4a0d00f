/**
 * Headers of a call that are kept with it, and those that are put on when it is run. Where credentials for an
 * upstream are configured, the agent's own are not kept at all; else they are in the sealed box with all the rest.
 */

/** Where agents and their tools put credentials. */
const CREDENTIALS: ReadonlySet<string> = new Set([
  'authorization',
  'x-api-key',
  'api-key',
  'x-goog-api-key',
  'x-amz-security-token',
  'x-auth-token',
  'x-functions-key',
  'ocp-apim-subscription-key',
  'cookie',
])

/** Of the connection that the call came by, or spoken to Weir and answered by it. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'transfer-encoding',
  'content-length', // said again, of the body that was read
  'upgrade',
  'http2-settings',
  'expect',
  'trailer',
])

/** Preferences (RFC 7240) that Weir has taken for itself. */
const TAKEN = /^(?:respond-async|wait\s*=.*)$/i

export function keptHeaders(rawHeaders: readonly string[], keepCredentials: boolean): string[] {
  const kept: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    let value = rawHeaders[index + 1]!
    const lower = name.toLowerCase()
    if (NOT_KEPT.has(lower) || (!keepCredentials && CREDENTIALS.has(lower))) continue
    if (lower === 'prefer') {
      value = value
        .split(',')
        .filter((part) => !TAKEN.test(part.trim()))
        .join(',')
        .trim()
      if (value === '') continue
    }
    kept.push(name, value)
  }
  return kept
}

/** The kept headers with what the operator configured for the upstream; a configured name replaces a kept one. */
export function withCredentials(
  kept: readonly string[],
  configured: Readonly<Record<string, string>> | undefined,
): string[] {
  if (configured === undefined) return [...kept]
  const names = new Set(Object.keys(configured).map((name) => name.toLowerCase()))
  const out: string[] = []
  for (let index = 0; index + 1 < kept.length; index += 2) {
    if (!names.has(kept[index]!.toLowerCase())) out.push(kept[index]!, kept[index + 1]!)
  }
  for (const [name, value] of Object.entries(configured)) out.push(name, value)
  return out
}
