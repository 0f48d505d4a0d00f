/**
 * The certificates that Weir shows, read from PEM files and checked as pairs: what OpenSSL would find out in the middle
 * of a handshake, or as `key values mismatch`, is said here, with the file and what is allowed.
 */
import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { ListenerTls } from './options.ts'

/** A chain is a few KiB, a bundle of all public authorities about 230; more is a wrong file. */
const LARGEST_BYTES = 1024 * 1024

export interface Certificate {
  /** What clients may call the listener: its first DNS name, else its subject. */
  readonly name: string
  /** Wall clock in ms. */
  readonly notBefore: number
  readonly notAfter: number
  readonly leaf: X509Certificate
  /** For `createSecureContext` and `setSecureContext`. */
  readonly material: SecureContextOptions
  readonly context: SecureContext
}

/** Where a problem is, in the words of the config. */
export interface CertificateProblem {
  readonly key: 'cert' | 'key' | 'clientCa'
  /** Of the pair; 0 is the first. */
  readonly index: number
  readonly found: string
  readonly allowed: string
  readonly fix: string
}

export type ReadCertificates =
  | { readonly ok: true; readonly certificates: readonly [Certificate, ...Certificate[]] }
  | { readonly ok: false; readonly problems: readonly CertificateProblem[] }

type Files = Pick<ListenerTls, 'certificates' | 'clientCa' | 'minVersion'>

/** Reads every file again. Never throws. */
export function readCertificates(files: Files): ReadCertificates {
  const problems: CertificateProblem[] = []
  const ca = files.clientCa === undefined ? undefined : authorities(files.clientCa, problems)
  const certificates: Certificate[] = []
  for (const [index, pair] of files.certificates.entries()) {
    const leaf = leafOf(pair.cert, index, problems)
    const key = keyOf(pair.key, index, problems)
    if (leaf === undefined || key === undefined) continue
    if (!leaf.certificate.checkPrivateKey(key.key)) {
      problems.push({
        key: 'key',
        index,
        found: `${pair.key} is not the key of the first certificate in ${pair.cert} (${nameOf(leaf.certificate)})`,
        allowed: 'a pair: the leaf first, its chain behind it, and the private key of the leaf',
        fix: 'write both files from the same issue; put the leaf first in the chain',
      })
      continue
    }
    const material: SecureContextOptions = { cert: leaf.pem, key: key.pem, minVersion: files.minVersion }
    if (ca !== undefined) material.ca = ca
    try {
      certificates.push({
        name: nameOf(leaf.certificate),
        notBefore: Date.parse(leaf.certificate.validFrom),
        notAfter: Date.parse(leaf.certificate.validTo),
        leaf: leaf.certificate,
        material,
        context: createSecureContext(material),
      })
    } catch (error) {
      problems.push({ ...refused('cert', index, pair.cert, reasonOf(error)) })
    }
  }
  const [first, ...others] = certificates
  if (first === undefined || problems.length > 0) return { ok: false, problems }
  return { ok: true, certificates: [first, ...others] }
}

function authorities(path: string, problems: CertificateProblem[]): string | undefined {
  const pem = textOf(path, 'clientCa', 0, problems)
  if (pem === undefined) return undefined
  try {
    // Each by itself: OpenSSL takes what it can read of a bundle and says nothing of the rest.
    const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? []
    const read = blocks.map((block) => new X509Certificate(block))
    if (read.length > 0) return pem
    problems.push(refused('clientCa', 0, path, 'it holds no certificate'))
  } catch (error) {
    problems.push(refused('clientCa', 0, path, reasonOf(error)))
  }
  return undefined
}

function leafOf(
  path: string,
  index: number,
  problems: CertificateProblem[],
): { pem: string; certificate: X509Certificate } | undefined {
  const pem = textOf(path, 'cert', index, problems)
  if (pem === undefined) return undefined
  try {
    return { pem, certificate: new X509Certificate(pem) }
  } catch (error) {
    problems.push(refused('cert', index, path, reasonOf(error)))
    return undefined
  }
}

function keyOf(
  path: string,
  index: number,
  problems: CertificateProblem[],
): { pem: string; key: KeyObject } | undefined {
  const pem = textOf(path, 'key', index, problems)
  if (pem === undefined) return undefined
  try {
    return { pem, key: createPrivateKey(pem) }
  } catch (error) {
    const isSealed = pem.includes('ENCRYPTED')
    problems.push({
      key: 'key',
      index,
      // Never what is in it.
      found: `${path} ${isSealed ? 'needs a passphrase' : `holds no private key (${reasonOf(error)})`}`,
      allowed: 'a private key in PEM, without a passphrase',
      fix: isSealed ? 'openssl pkey -in sealed.key -out tls.key' : 'check the path and the file',
    })
    return undefined
  }
}

function textOf(
  path: string,
  key: CertificateProblem['key'],
  index: number,
  problems: CertificateProblem[],
): string | undefined {
  try {
    if (statSync(path).size <= LARGEST_BYTES) return readFileSync(path, 'utf8')
    problems.push(refused(key, index, path, 'it is larger than 1 MiB'))
  } catch (error) {
    problems.push(refused(key, index, path, `it cannot be read: ${reasonOf(error)}`))
  }
  return undefined
}

function refused(
  key: CertificateProblem['key'],
  index: number,
  path: string,
  reason: string,
): CertificateProblem {
  return {
    key,
    index,
    found: `${path} is refused (${reason})`,
    allowed: key === 'key' ? 'a file with a private key in PEM' : 'a file with certificates in PEM',
    fix: 'check the path, its permissions and the file',
  }
}

/** OpenSSL's and the system's own word for it; both are codes. */
function reasonOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'not in PEM'
}

function nameOf(leaf: X509Certificate): string {
  const dns = /(?:^|, )DNS:([^,]+)/.exec(leaf.subjectAltName ?? '')?.[1]
  const common = /(?:^|\n)CN=([^\n]+)/.exec(leaf.subject)?.[1]
  return dns ?? common ?? leaf.subject.replaceAll('\n', ', ')
}

/** The first certificate that is valid for a name which a client asks for (RFC 6066 3); else the first of all. */
export function certificateFor(
  name: string,
  certificates: readonly [Certificate, ...Certificate[]],
): Certificate {
  const fits = certificates.find(({ leaf }) => leaf.checkHost(name, { subject: 'default' }) !== undefined)
  return fits ?? certificates[0]
}
