/** What an error of the HTTP client's means; by its stable code, never by its text. */
import type { Problem } from './respond.ts'

const BY_CODE: Readonly<Record<string, Problem>> = {
  UND_ERR_CONNECT_TIMEOUT: 'connect_timeout',
  ETIMEDOUT: 'connect_timeout',
  ECONNREFUSED: 'connect_failed',
  ENOTFOUND: 'connect_failed',
  EAI_AGAIN: 'connect_failed',
  EHOSTUNREACH: 'connect_failed',
  ENETUNREACH: 'connect_failed',
  EADDRNOTAVAIL: 'connect_failed',
  EMFILE: 'connect_failed',
  EPROTO: 'tls_failed',
  UND_ERR_HEADERS_OVERFLOW: 'bad_response',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'bad_response',
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: 'bad_request_body',
  UND_ERR_INVALID_ARG: 'bad_request_body',
  UND_ERR_NOT_SUPPORTED: 'bad_request_body',
}

/** OpenSSL's verification results and Node's own TLS errors. */
const TLS_CODE =
  /^(?:ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|ERR_OSSL_)/

/** @param started something of the request may have been written */
export function problemOf(error: Error, started: boolean): Problem {
  const code = codeOf(error)
  const known = BY_CODE[code]
  if (known !== undefined) return started && known.startsWith('connect_') ? 'upstream_reset' : known
  if (TLS_CODE.test(code)) return 'tls_failed'
  if (code.startsWith('HPE_')) return 'bad_response'
  return started ? 'upstream_reset' : 'connect_failed'
}

/**
 * Whether a second try is safe and of use: no connection was made, so nothing was sent, and it failed at once
 * (promises.md row 17). A timeout is not tried again: it would double what the client waits.
 */
export function mayConnectAgain(error: Error): boolean {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
    case 'ECONNRESET':
    case 'EPIPE':
    case 'EAI_AGAIN':
    case 'UND_ERR_SOCKET':
      return true
    default:
      return false
  }
}

/**
 * A 304 may say the length that a 200 would have (RFC 9110 8.6), and some servers say one with 204; undici then
 * misses bytes that are not to come.
 */
export function isBodylessEnd(status: number, error: Error): boolean {
  return (status === 304 || status === 204) && codeOf(error) === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH'
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : ''
}
