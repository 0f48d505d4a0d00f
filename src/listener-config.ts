/** The `tls:` and `http2:` blocks of the config, checked: certificates and keys are read, and have to be pairs. */
import { resolve } from 'node:path'
import type { ConfigValue } from './config-schema.ts'
import type { Complaint, Path } from './policy/problems.ts'
import type { ListenerHttp2, ListenerTls } from './proxy/options.ts'
import { readCertificates, type CertificateProblem } from './proxy/tls-certificates.ts'

export interface ListenerResolving {
  /** Relative paths begin here. */
  readonly folder: string
  /** Only this machine reaches the agents' port. */
  readonly isLoopback: boolean
  report(path: Path, complaint: Complaint): void
}

/** Undefined = no TLS. */
export function tlsConfig(value: ConfigValue['tls'], to: ListenerResolving): ListenerTls | undefined {
  if (value === undefined) return undefined
  const { clientCert, clientCa } = value
  if (clientCert !== 'none' && clientCa === undefined) {
    to.report(['tls', 'clientCert'], {
      found: `tls.clientCert ${clientCert} without tls.clientCa: nothing says whose certificates count`,
      allowed: 'both, or clientCert: none',
      fix: 'add tls.clientCa: the PEM file of the authority that issues the agents their certificates',
    })
    return undefined
  }
  const pairs = [{ cert: value.cert, key: value.key }, ...(value.more ?? [])]
  const tls: ListenerTls = {
    certificates: pairs.map(({ cert, key }) => ({
      cert: resolve(to.folder, cert),
      key: resolve(to.folder, key),
    })),
    clientCa: clientCa === undefined ? undefined : resolve(to.folder, clientCa),
    clientCert,
    minVersion: value.minVersion,
    handshakeTimeoutMs: value.handshakeTimeout,
    plain: value.plain ?? to.isLoopback,
  }
  const read = readCertificates(tls)
  if (read.ok) return tls
  for (const problem of read.problems) {
    const { found, allowed, fix } = problem
    to.report(placeOf(problem), { found, allowed, fix })
  }
  return undefined
}

function placeOf({ key, index }: CertificateProblem): Path {
  return index === 0 || key === 'clientCa' ? ['tls', key] : ['tls', 'more', index - 1, key]
}

/** Undefined = HTTP/1.1 alone. */
export function http2Config({ enabled, streams }: ConfigValue['http2']): ListenerHttp2 | undefined {
  return enabled ? { streams } : undefined
}
