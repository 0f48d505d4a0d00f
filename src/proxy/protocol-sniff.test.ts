import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { protocolOf } from './protocol-sniff.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('protocolOf', () => {
  it('waits while there is nothing, or only what HTTP/2 and HTTP/1.1 have in common', () => {
    for (const begin of ['', 'P', 'PR', 'PRI']) expect(protocolOf(bytes(begin))).toBeUndefined()
  })

  it('knows a TLS handshake by its first byte', () => {
    expect(protocolOf(Buffer.from([0x16]))).toBe('tls')
    expect(protocolOf(Buffer.from([0x16, 3, 1, 2, 0]))).toBe('tls')
  })

  it('knows the preface of HTTP/2 from every method that begins like it', () => {
    expect(protocolOf(bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))).toBe('http2')
    for (const method of ['POST', 'PUT', 'PATCH', 'PROPFIND', 'PROPPATCH', 'PURGE', 'GET', 'HEAD'])
      expect(protocolOf(bytes(`${method} / HTTP/1.1\r\n`))).toBe('http1')
  })

  it('says the same of any bytes however they are cut, and never waits for a fifth', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 64 }), fc.nat(64), (whole, cut) => {
        const early = protocolOf(whole.subarray(0, cut))
        const late = protocolOf(whole)
        expect(late).toBeDefined()
        expect(early ?? late).toBe(late)
      }),
    )
  })
})
