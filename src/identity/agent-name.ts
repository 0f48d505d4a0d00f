/**
 * Names of agents as credentials carry them. One agent has one name on every surface, whichever way it shows who it
 * is: a service account of Kubernetes is `namespace:account` by its token and by its SPIFFE id alike.
 */

/** As everywhere in Weir (promises.md 36). */
const NAME = /^[A-Za-z0-9._:-]{1,128}$/
/** RFC 1123 labels: of a namespace and, with dots, of an account. Neither holds a colon. */
const SERVICE_ACCOUNT = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/
/** The workload ids that Istio, Linkerd and SPIRE's Kubernetes registrar write. */
const SPIFFE_ACCOUNT = /^\/ns\/([a-z0-9-]{1,63})\/sa\/([a-z0-9.-]{1,253})$/
/** SPIFFE-ID 2.2: segments of letters, digits, `.`, `-` and `_`. With a dot inside, two paths could share a name. */
const SPIFFE_PATH = /^(?:\/[A-Za-z0-9_-]+)+$/

export const AGENT_NAME_ALLOWED = '1 to 128 letters, digits and . _ : -'

export function isAgentName(text: string): boolean {
  return NAME.test(text)
}

/** Of the subject of a token; '' = it cannot be a name. */
export function agentOfSubject(subject: string): string {
  const account = SERVICE_ACCOUNT.exec(subject)
  return checked(account === null ? subject : `${account[1]!}:${account[2]!}`)
}

export interface SpiffeId {
  /** Lower case. */
  readonly trustDomain: string
  /** '' = the path cannot be a name. */
  readonly agent: string
}

/** Undefined = no SPIFFE id of a workload. */
export function readSpiffeId(uri: string): SpiffeId | undefined {
  const parts = uri.length > 2048 ? null : /^spiffe:\/\/([a-z0-9._-]{1,255})(\/.+)$/.exec(uri)
  if (parts === null) return undefined
  const [, trustDomain = '', path = ''] = parts
  const account = SPIFFE_ACCOUNT.exec(path)
  if (account !== null) return { trustDomain, agent: checked(`${account[1]!}:${account[2]!}`) }
  const agent = SPIFFE_PATH.test(path) ? checked(path.slice(1).replaceAll('/', '.')) : ''
  return { trustDomain, agent }
}

function checked(name: string): string {
  return NAME.test(name) ? name : ''
}
