/**
 * The certificates in force. Followed like policies: when a file differs from what was read last, all are read again,
 * and taken as a whole or not at all; connections that stand go on with what they were made with. Says in the log when
 * a certificate is about to end, once a day.
 */
import { fingerprintOf } from '../policy/load.ts'
import type { Millis } from '../core/model.ts'
import type { ListenerTls } from './options.ts'
import type { ProxyLog } from './proxy-log.ts'
import {
  certificateFor,
  readCertificates,
  type Certificate,
  type CertificateProblem,
} from './tls-certificates.ts'

/** As for policies: kubelet swaps a mounted secret about once a minute, cert-manager renews days ahead. */
const LOOK_EVERY_MS: Millis = 2000
const DAY_MS: Millis = 86_400_000
/** A third of the shortest life that public authorities issue from 2029 on (47 days, CA/B Forum SC-081). */
const WARN_BEFORE_MS: Millis = 14 * DAY_MS

export interface CertificateReading {
  readonly name: string
  /** Wall clock in ms. */
  readonly notAfter: number
}

export interface TlsKeeper {
  readonly certificates: readonly Certificate[]
  /** The one to show to a client that asks for `name`. */
  certificateFor(name: string): Certificate
  /** Reads now, whatever changed; false = refused, and the last good ones stay. */
  reload(): boolean
  stop(): void
}

export interface TlsKeeperRoom {
  readonly log: ProxyLog
  /** Wall clock in ms. */
  readonly wall: () => number
  /** The first of those in force, after each change and once at the start. */
  readonly adopt: (first: Certificate) => void
  readonly lookEveryMs?: Millis
}

/** The first reading was not in order; `config.ts` has said so before, with the place, unless the files changed since. */
export class CertificateError extends Error {
  override readonly name = 'CertificateError'
  readonly problems: readonly CertificateProblem[]

  constructor(problems: readonly CertificateProblem[]) {
    super(problems.map(sentence).join('\n'))
    this.problems = problems
  }
}

/** @throws CertificateError when the first reading is not in order */
export function keepCertificates(tls: ListenerTls, room: TlsKeeperRoom): TlsKeeper {
  const { log, wall } = room
  const paths = tls.certificates.flatMap(({ cert, key }) => [cert, key])
  if (tls.clientCa !== undefined) paths.push(tls.clientCa)
  let seen = fingerprintOf(paths)
  const first = readCertificates(tls)
  if (!first.ok) throw new CertificateError(first.problems)
  let { certificates } = first
  let warnedAt = -Infinity
  room.adopt(certificates[0])
  warn()

  function reload(): boolean {
    seen = fingerprintOf(paths)
    const read = readCertificates(tls)
    if (!read.ok) {
      log.error(
        { problems: read.problems.map(sentence) },
        'certificates refused: the last good ones stay in force',
      )
      return false
    }
    certificates = read.certificates
    room.adopt(certificates[0])
    log.info({ certificates: certificates.map(shown) }, 'certificates loaded')
    warnedAt = -Infinity
    warn()
    return true
  }

  function warn(): void {
    const now = wall()
    if (now - warnedAt < DAY_MS) return
    warnedAt = now
    for (const certificate of certificates) {
      const leftMs = certificate.notAfter - now
      const days = Math.floor(leftMs / DAY_MS)
      if (leftMs <= 0) log.error(shown(certificate), 'a certificate has ended: clients refuse it')
      else if (leftMs < WARN_BEFORE_MS) log.warn({ ...shown(certificate), days }, 'a certificate ends soon')
      else if (certificate.notBefore > now) log.warn(shown(certificate), 'a certificate is not valid yet')
    }
  }

  let unsettled = seen
  const timer = setInterval(() => {
    const print = fingerprintOf(paths)
    // A pair is written in two steps: it is read once nothing has changed between two looks.
    if (print !== seen && print === unsettled) reload()
    else warn()
    unsettled = print
  }, room.lookEveryMs ?? LOOK_EVERY_MS)
  timer.unref()

  return {
    get certificates() {
      return certificates
    },
    certificateFor: (name) => certificateFor(name, certificates),
    reload,
    stop: () => clearInterval(timer),
  }
}

function shown({ name, notAfter }: Certificate): { certificate: string; notAfter: string } {
  return { certificate: name, notAfter: new Date(notAfter).toISOString() }
}

function sentence({ found, allowed, fix }: CertificateProblem): string {
  return `${found}; allowed: ${allowed}; ${fix}`
}
