/**
 * Against DNS rebinding: a page of an attacker may point its own name at this listener and then read it as its own
 * origin. The browser still sends the attacker's name as Host, so only names that no attacker can own are served:
 * addresses, `localhost`, single-label names (a compose service, a pod), names inside a cluster, and the host that
 * the operator configured. Envoy and Caddy check their admin listeners the same way.
 */
import { isIP } from 'node:net'

/** Zones that public DNS cannot delegate: RFC 6761 (`localhost`), ICANN (`internal`), Kubernetes (`svc`, `cluster.local`). */
const ownZones = ['.localhost', '.internal', '.svc', '.cluster.local']

/** Whether a Host header names this listener rather than a foreign site. `also` holds further names, lower case. */
export function isOwnHost(header: string | undefined, also: readonly string[]): boolean {
  const name = hostName(header)
  if (name === undefined) return false
  if (isIP(name) !== 0 || !name.includes('.')) return true
  return also.includes(name) || ownZones.some((zone) => name.endsWith(zone))
}

/** The name without port and brackets, lower case; undefined when the header is no host at all. */
function hostName(header: string | undefined): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/.exec(header?.toLowerCase() ?? '')
  return match?.[1] ?? match?.[2]?.replace(/\.$/, '')
}
