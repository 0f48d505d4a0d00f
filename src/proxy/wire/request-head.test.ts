import { describe, expect, it } from 'vitest'
import { requestHead } from './request-head.ts'

const request = { method: 'GET', path: '/a?b', headers: [] as string[], isUpgrade: false, bytes: 0 }

describe('the head of a request', () => {
  it('says the configured host first, and its fields as they are', () => {
    const { text } = requestHead({ ...request, headers: ['X-A', 'b', 'x-a', 'c\xe9'] }, 'api:1')
    expect(text).toBe(
      'GET /a?b HTTP/1.1\r\nhost: api:1\r\nconnection: keep-alive\r\nX-A: b\r\nx-a: c\xe9\r\n\r\n',
    )
  })

  it('frames a body that is here by its length, and one that comes in pieces in chunks', () => {
    expect(requestHead({ ...request, method: 'POST', bytes: 5 }, 'a')).toMatchObject({ length: 5 })
    expect(requestHead({ ...request, method: 'POST', bytes: 5 }, 'a').text).toContain(
      '\r\ncontent-length: 5\r\n\r\n',
    )
    expect(requestHead({ ...request, bytes: -1 }, 'a').text).toContain(
      '\r\ntransfer-encoding: chunked\r\n\r\n',
    )
  })

  it('keeps a length that was said, once', () => {
    const said = requestHead({ ...request, bytes: -1, headers: ['Content-Length', '7'] }, 'a')
    expect(said.length).toBe(7)
    expect(said.text).not.toContain('chunked')
  })

  it('says that there is no body where one is expected, and nothing where none is', () => {
    expect(requestHead({ ...request, method: 'POST' }, 'a').text).toContain('content-length: 0\r\n')
    expect(requestHead({ ...request, method: 'DELETE' }, 'a').text).not.toContain('content-length')
  })

  it('asks for an upgrade in words of its own', () => {
    const { text } = requestHead({ ...request, isUpgrade: true }, 'a')
    expect(text).toContain('\r\nconnection: upgrade\r\nupgrade: websocket\r\n')
  })

  it.each([
    ['a line end in a value', { headers: ['x', 'a\r\ny: b'] }],
    ['a NUL in a value', { headers: ['x', 'a\0'] }],
    ['what is no byte', { headers: ['x', '\u{1f600}'] }],
    ['a name with a space', { headers: ['x y', 'a'] }],
    ['an empty name', { headers: ['', 'a'] }],
    ['a space in the target', { path: '/a b' }],
    ['a line end in the target', { path: '/a\r\n' }],
    ['a method that is none', { method: 'GET /x HTTP/1.1\r\n' }],
    ['a length twice', { headers: ['content-length', '0', 'content-length', '0'] }],
    ['a second host', { headers: ['Host', 'b'] }],
    ['a coding of its own', { headers: ['Transfer-Encoding', 'chunked'] }],
    ['a length that is none', { headers: ['content-length', '0x1'] }],
  ])('is not written with %s', (_what, part) => {
    expect(() => requestHead({ ...request, ...part }, 'a')).toThrow(
      expect.objectContaining({ code: 'UND_ERR_INVALID_ARG' }),
    )
  })

  it('is not written with another length than that of its body', () => {
    const lying = { ...request, bytes: 3, headers: ['content-length', '4'] }
    expect(() => requestHead(lying, 'a')).toThrow(
      expect.objectContaining({ code: 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH' }),
    )
  })
})
