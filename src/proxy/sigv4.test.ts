import { describe, expect, it } from 'vitest'
import { sha256, signatureV4, type AwsSigning } from './sigv4.ts'

/** The keys and the time of AWS's own test suite (aws-sig-v4-test-suite). */
const SUITE: AwsSigning = {
  region: 'us-east-1',
  service: 'service',
  accessKeyId: 'AKIDEXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  sessionToken: '',
}
const AT = Date.UTC(2015, 7, 30, 12, 36, 0)
const EMPTY = sha256('')

function sign(
  target: string,
  more: Partial<Parameters<typeof signatureV4>[0]> = {},
  signing = SUITE,
): Map<string, string> {
  const request = { method: 'GET', target, host: 'example.amazonaws.com', headers: [], payloadHash: EMPTY }
  const flat = signatureV4({ ...request, ...more }, signing, AT)
  return new Map(flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]!] as const] : [])))
}

function signature(target: string, more: Parameters<typeof sign>[1] = {}): string {
  return /Signature=([0-9a-f]{64})$/.exec(sign(target, more).get('authorization')!)![1]!
}

describe('a signature', () => {
  it('says its time, the hash of the body, the scope, and which fields it covers', () => {
    const fields = sign('/')
    expect(fields.get('x-amz-date')).toBe('20150830T123600Z')
    expect(fields.get('x-amz-content-sha256')).toBe(EMPTY)
    expect(fields.get('authorization')).toMatch(
      /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/20150830\/us-east-1\/service\/aws4_request, SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=[0-9a-f]{64}$/,
    )
    expect(fields.has('x-amz-security-token')).toBe(false)
  })

  it('covers method, path, query, host, content type, x-amz fields and body, and no other field', () => {
    const base = signature('/a')
    expect(signature('/a')).toBe(base)
    expect(signature('/a', { headers: ['via', '1.1 weir', 'user-agent', 'x'] })).toBe(base)
    const others = [
      signature('/b'),
      signature('/a?x=1'),
      signature('/a', { method: 'POST' }),
      signature('/a', { host: 'other.test' }),
      signature('/a', { headers: ['Content-Type', 'application/json'] }),
      signature('/a', { headers: ['x-amz-target', 'T'] }),
      signature('/a', { payloadHash: sha256('x') }),
    ]
    expect(new Set([base, ...others]).size).toBe(others.length + 1)
  })

  it('does not depend on the order of a query or on how its characters are written', () => {
    expect(signature('/?b=2&a=1')).toBe(signature('/?a=1&b=2'))
    expect(signature('/?a=%41')).toBe(signature('/?a=A'))
    expect(signature('/?a')).toBe(signature('/?a='))
    expect(signature('/?a=1&a=2')).toBe(signature('/?a=2&a=1'))
    expect(signature('/?a=%')).toBe(signature('/?a=%25'))
  })

  it('covers the token of temporary keys', () => {
    const fields = sign('/', {}, { ...SUITE, sessionToken: 'token' })
    expect(fields.get('x-amz-security-token')).toBe('token')
    expect(fields.get('authorization')).toContain('x-amz-date;x-amz-security-token,')
  })
})
