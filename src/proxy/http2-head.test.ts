import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { http1Head, http2Fields } from './http2-head.ts'

const GET = [':method', 'GET', ':scheme', 'https', ':path', '/api/x', ':authority', 'weir.test']

function headersOf(raw: readonly string[], endsHere = true): string[] {
  const read = http1Head(raw, endsHere)
  if (!('head' in read)) throw new Error(read.refused.reason)
  return read.head.headers
}

function statusOf(raw: readonly string[]): number {
  const read = http1Head(raw, true)
  return 'head' in read ? 200 : read.refused.status
}

describe('a head of HTTP/2', () => {
  it('becomes one of HTTP/1.1: the authority is its host, and its connection ends with it', () => {
    expect(headersOf([...GET, 'accept', '*/*'])).toEqual([
      'host',
      'weir.test',
      'accept',
      '*/*',
      'connection',
      'close',
    ])
  })

  it('frames its body by the length that is said, else in chunks, else by none', () => {
    const post = [':method', 'POST', ...GET.slice(2)]
    expect(headersOf([...post, 'content-length', '3'], false)).not.toContain('transfer-encoding')
    expect(headersOf(post, false).join()).toContain('transfer-encoding,chunked')
    expect(headersOf(post, true).join()).toContain('content-length,0')
    expect(headersOf(GET, true).join()).not.toContain('content-length')
  })

  it('puts the crumbs of a cookie together', () => {
    expect(headersOf([...GET, 'cookie', 'a=1', 'x', 'y', 'cookie', 'b=2']).join()).toContain(
      'cookie,a=1; b=2',
    )
  })

  it('knows gRPC, and not gRPC-Web', () => {
    for (const [type, isGrpc] of [
      ['application/grpc', true],
      ['application/grpc+proto', true],
      ['application/grpc-web', false],
      ['application/json', false],
    ] as const) {
      expect(http1Head([...GET, 'content-type', type], false)).toMatchObject({ head: { isGrpc } })
    }
  })

  it.each([
    ['two hosts that differ', [...GET, 'host', 'other.test'], 400],
    ['two Host fields', [...GET, 'host', 'weir.test', 'host', 'weir.test'], 400],
    ['an unknown pseudo-field', [...GET, ':protocol', 'websocket'], 400],
    ['CONNECT', [':method', 'CONNECT', ':authority', 'a:1'], 405],
    ['no path', [':method', 'GET', ':scheme', 'http'], 400],
    ['a path that is an address', [':method', 'GET', ':path', 'http://169.254.169.254/'], 400],
  ])('with %s is refused', (_what, raw, status) => {
    expect(statusOf(raw)).toBe(status)
  })

  it('never carries a field of a connection on, whatever else is in it', () => {
    const field = fc.constantFrom(
      'connection',
      'keep-alive',
      'transfer-encoding',
      'upgrade',
      'http2-settings',
      'a',
      'te',
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(field, fc.string({ maxLength: 5 }))), (fields) => {
        const isBad = fields.some(([name]) => name !== 'a' && name !== 'te')
        expect(statusOf([...GET, ...fields.flat()])).toBe(isBad ? 400 : 200)
      }),
    )
  })
})

describe('fields for HTTP/2', () => {
  it('have lower-case names, repeated ones as a list in order, and none of a connection', () => {
    const raw = [
      'Set-Cookie',
      'a',
      'X',
      '1',
      'set-cookie',
      'b',
      'Connection',
      'close',
      'SET-COOKIE',
      'c',
      ':evil',
      '1',
    ]
    expect(http2Fields(raw)).toEqual({ 'set-cookie': ['a', 'b', 'c'], x: '1' })
  })
})
