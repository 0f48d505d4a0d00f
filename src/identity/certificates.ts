/**
 * mTLS: the SPIFFE id in the certificate that a client proved to have. The TLS layer has checked the chain before
 * anything is read here. Behind a proxy that ends TLS itself, `x-forwarded-client-cert` says what that proxy has seen;
 * it counts from configured addresses only, since anybody can write a header.
 */
import { BlockList, isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { PeerCertificate } from 'node:tls'
import { anyOf, compileIdPattern } from '../policy/pattern.ts'
import { readSpiffeId } from './agent-name.ts'

export interface CertificateOptions {
  /** Lower case. */
  readonly trustDomains: readonly string[]
  /** Patterns of the names that certificates may vouch for. */
  readonly agents: readonly string[]
  /** Addresses and CIDR blocks of proxies whose `x-forwarded-client-cert` counts. */
  readonly forwardedFrom: readonly string[]
}

/** '' = no certificate was shown; `wrong` = one that is nobody's here. */
export type CertificateVerdict = { readonly agent: string; readonly isWrong: boolean }

const NONE: CertificateVerdict = { agent: '', isWrong: false }
const WRONG: CertificateVerdict = { agent: '', isWrong: true }

/** A TLS socket, or a stream of HTTP/2 that speaks for one. */
interface Secured {
  readonly authorized: boolean
  getPeerCertificate(): Partial<PeerCertificate>
}

function isSecured(socket: Duplex): socket is Duplex & Secured {
  return 'authorized' in socket && 'getPeerCertificate' in socket
}

interface Seen {
  readonly verdict: CertificateVerdict
  /** Wall clock: a connection may outlive the certificate that opened it. */
  readonly until: number
}

export class Certificates {
  readonly #trustDomains: ReadonlySet<string>
  readonly #mayVouch: (agent: string) => boolean
  readonly #proxies = new BlockList()
  readonly #hasProxies: boolean
  readonly #wall: () => number
  readonly #seen = new WeakMap<Duplex, Seen>()

  constructor(options: CertificateOptions, wall: () => number) {
    this.#trustDomains = new Set(options.trustDomains)
    this.#mayVouch = anyOf(options.agents.map(compileIdPattern))
    this.#hasProxies = options.forwardedFrom.length > 0
    this.#wall = wall
    for (const block of options.forwardedFrom) addBlock(this.#proxies, block)
  }

  /** @param forwarded value of `x-forwarded-client-cert`; '' = none */
  check(socket: Duplex, forwarded: string): CertificateVerdict {
    if (forwarded !== '' && this.#hasProxies && this.#isProxy(socket))
      return this.#verdictOf(uriForwarded(forwarded))
    if (!isSecured(socket) || !socket.authorized) return NONE
    const seen = this.#seen.get(socket)
    if (seen !== undefined) return seen.until > this.#wall() ? seen.verdict : WRONG
    const certificate = socket.getPeerCertificate()
    const { subjectaltname: names } = certificate
    if (names === undefined) return NONE
    const until = Date.parse(certificate.valid_to ?? '')
    const verdict = this.#verdictOf(onlyUri(names))
    this.#seen.set(socket, { verdict, until: Number.isNaN(until) ? -Infinity : until })
    return verdict
  }

  #verdictOf(uri: string): CertificateVerdict {
    const id = readSpiffeId(uri)
    if (id === undefined || id.agent === '' || !this.#trustDomains.has(id.trustDomain)) return WRONG
    return this.#mayVouch(id.agent) ? { agent: id.agent, isWrong: false } : WRONG
  }

  #isProxy(socket: Duplex): boolean {
    const address = 'remoteAddress' in socket ? socket.remoteAddress : undefined
    if (typeof address !== 'string') return false
    // Of a socket that listens on both families.
    const plain = address.startsWith('::ffff:') ? address.slice(7) : address
    const family = isIP(plain)
    return family !== 0 && this.#proxies.check(plain, family === 4 ? 'ipv4' : 'ipv6')
  }
}

/**
 * X.509-SVID 2: exactly one URI. Node writes a name that could be taken for two in quotes (CVE-2021-44532); no SPIFFE id
 * needs them, so a list with quotes is refused whole. '' = none, or several.
 */
export function onlyUri(subjectAltName: string): string {
  if (subjectAltName.includes('"')) return ''
  const uris = subjectAltName.split(', ').filter((name) => name.startsWith('URI:'))
  return uris.length === 1 ? uris[0]!.slice(4) : ''
}

/** Of Envoy's header the last element: what the nearest proxy saw itself. '' = no URI there, or several. */
export function uriForwarded(header: string): string {
  const last = splitOutside(header, ',').at(-1) ?? ''
  const uris = splitOutside(last, ';')
    .map((pair) => pair.trim())
    .filter((pair) => /^uri=/i.test(pair))
  if (uris.length !== 1) return ''
  return uris[0]!.slice(4).replace(/^"(.*)"$/, '$1')
}

/** Splits where the separator is not inside quotes; a backslash inside them takes the next character with it. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = []
  let start = 0
  let isQuoted = false
  for (let at = 0; at < text.length; at++) {
    if (isQuoted && text[at] === '\\') at += 1
    else if (text[at] === '"') isQuoted = !isQuoted
    else if (!isQuoted && text[at] === separator) {
      parts.push(text.slice(start, at))
      start = at + 1
    }
  }
  return [...parts, text.slice(start)]
}

/** Whether it is an address or a CIDR block. */
export function isBlock(text: string): boolean {
  const [address = '', bits, ...more] = text.split('/')
  const family = isIP(address)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

function addBlock(list: BlockList, text: string): void {
  const [address = '', bits] = text.split('/')
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  if (bits === undefined) list.addAddress(address, family)
  else list.addSubnet(address, Number(bits), family)
}
