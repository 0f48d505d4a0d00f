import { expect, test } from 'vitest'
import { mayConnectAgain, problemOf } from './upstream-failure.ts'

function failed(code: string): Error {
  return Object.assign(new Error('words that nobody reads'), { code })
}

test.each([
  ['ECONNREFUSED', false, 'connect_failed'],
  ['ENOTFOUND', false, 'connect_failed'],
  ['UND_ERR_CONNECT_TIMEOUT', false, 'connect_timeout'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', false, 'tls_failed'],
  ['CERT_HAS_EXPIRED', false, 'tls_failed'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', false, 'tls_failed'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', false, 'tls_failed'],
  ['ECONNRESET', true, 'upstream_reset'],
  ['ETIMEDOUT', true, 'upstream_reset'],
  ['UND_ERR_SOCKET', true, 'upstream_reset'],
  ['HPE_INVALID_CONSTANT', true, 'bad_response'],
  ['UND_ERR_HEADERS_OVERFLOW', true, 'bad_response'],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', true, 'bad_response'],
  ['UND_ERR_INVALID_ARG', false, 'bad_request_body'],
  ['something new', false, 'connect_failed'],
  ['something new', true, 'upstream_reset'],
])('%s, sent %s: %s', (code, isStarted, problem) => {
  expect(problemOf(failed(code), isStarted)).toBe(problem)
})

test('only what failed at once is tried again', () => {
  expect(
    ['ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET'].map((code) => mayConnectAgain(failed(code))),
  ).toEqual([true, true, true])
  const never = ['UND_ERR_CONNECT_TIMEOUT', 'ENOTFOUND', 'CERT_HAS_EXPIRED', 'UND_ERR_INVALID_ARG', '']
  expect(never.some((code) => mayConnectAgain(failed(code)))).toBe(false)
})
