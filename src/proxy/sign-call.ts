/**
 * Calls that are signed for AWS. A signature covers host and path, which are Weir's when an agent signs: for an upstream
 * with `aws` Weir signs anew, with keys of its own; for AWS itself without that, the call could only fail, and is told so
 * here. Bearer keys are not touched.
 */
import type { Call } from './call.ts'
import type { Problem } from './refusals.ts'
import { sha256, signatureV4, type AwsSigning } from './sigv4.ts'

const SIGNED = /^AWS4-/
const HEX_SHA256 = /^[0-9a-f]{64}$/
/** A service may take this in place of a hash; whether it does is its own affair. */
const UNSIGNED = 'UNSIGNED-PAYLOAD'
/** What an agent's own signature consists of. */
const OF_A_SIGNATURE: ReadonlySet<string> = new Set([
  'authorization',
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-security-token',
])
const AWS_HOST = /\.amazonaws\.com(?:\.cn)?$|\.api\.aws$/

/** Whether calls to this host are refused when they are signed for another one. */
export function isAws(host: string): boolean {
  return AWS_HOST.test(host.toLowerCase())
}

/** Signed by its agent, for the host that it knows: Weir's. */
export function isSigned(rawHeaders: readonly string[]): boolean {
  return SIGNED.test(valueOf(rawHeaders, 'authorization'))
}

/**
 * Signs a call for its upstream.
 *
 * @param headers the head as it would be sent, flat; changed in place
 * @param body undefined = it is not known as a whole
 * @returns why it cannot be signed
 */
export function signCall(
  call: Pick<Call, 'request' | 'target' | 'upstream'>,
  headers: string[],
  body: Uint8Array | undefined,
  signing: AwsSigning,
  wallMs: number,
): Problem | undefined {
  const authorization = valueOf(headers, 'authorization')
  if (authorization !== '' && !SIGNED.test(authorization)) return undefined
  const stated = valueOf(headers, 'x-amz-content-sha256')
  const payloadHash =
    HEX_SHA256.test(stated) || stated === UNSIGNED ? stated : body === undefined ? '' : sha256(body)
  if (stated.startsWith('STREAMING-')) return 'signed_stream'
  if (payloadHash === '') return 'too_large_to_sign'
  drop(headers)
  const { request, target, upstream } = call
  const { host } = upstream.options.url
  const method = request.method ?? 'GET'
  headers.push(...signatureV4({ method, target, host, headers, payloadHash }, signing, wallMs))
  return undefined
}

function valueOf(headers: readonly string[], name: string): string {
  for (let index = 0; index + 1 < headers.length; index += 2) {
    const given = headers[index]!
    if (given.length === name.length && given.toLowerCase() === name) return headers[index + 1]!
  }
  return ''
}

function drop(headers: string[]): void {
  let kept = 0
  for (let index = 0; index + 1 < headers.length; index += 2) {
    if (OF_A_SIGNATURE.has(headers[index]!.toLowerCase())) continue
    headers[kept] = headers[index]!
    headers[kept + 1] = headers[index + 1]!
    kept += 2
  }
  headers.length = kept
}
