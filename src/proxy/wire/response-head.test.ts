import { describe, expect, it } from 'vitest'
import { CHUNKED, mayBecomeHead, readResponseHead, readTrailers, UNTIL_CLOSE } from './response-head.ts'

const head = (fields: string, status = '200 OK', version = '1.1', isHead = false) =>
  readResponseHead(`HTTP/${version} ${status}\r\n${fields}`, isHead)

describe('the head of a response', () => {
  it('has its fields in order, in their spelling, without the white space around values', () => {
    const { status, reason, fields } = head('B: \t x y \r\na:\r\nB:\xa0z\r\n', '404 Not Found')
    expect({ status, reason }).toEqual({ status: 404, reason: 'Not Found' })
    expect(fields).toEqual(['B', 'x y', 'a', '', 'B', '\xa0z'])
  })

  it('may go without a reason, and a reason may be odd', () => {
    expect(head('', '200').reason).toBe('')
    expect(head('', '200 ').reason).toBe('')
    expect(head('', '200 a\0b\xe9').reason).toBe('a\0b\xe9')
  })

  it.each([
    ['a length', 'Content-Length: 12\r\n', 12],
    ['chunks', 'transfer-encoding: Chunked\r\n', CHUNKED],
    ['neither', '', UNTIL_CLOSE],
  ])('frames its body by %s', (_how, fields, length) => {
    expect(head(fields).length).toBe(length)
    expect(head(fields).isLast).toBe(length === UNTIL_CLOSE)
  })

  it('has no body for HEAD, 204 and 304, whatever it says', () => {
    const said = 'content-length: 5\r\n'
    expect(head(said, '200 OK', '1.1', true).length).toBe(0)
    expect(head(said, '204 No Content').length).toBe(0)
    expect(head(said, '304 Not Modified').length).toBe(0)
    expect(head('', '304 Not Modified').isLast).toBe(false)
  })

  it('says whether the connection goes on', () => {
    const length = 'content-length: 0\r\n'
    expect(head(length).isLast).toBe(false)
    expect(head(`${length}connection: Keep-Alive, x\r\n`).isLast).toBe(false)
    expect(head(`${length}connection: x\r\nconnection: CLOSE\r\n`).isLast).toBe(true)
    expect(head(length, '200 OK', '1.0').isLast).toBe(true)
    expect(head(`${length}connection: keep-alive\r\n`, '200 OK', '1.0').isLast).toBe(false)
  })

  it('says for how long', () => {
    expect(head('keep-alive: timeout=5, max=100\r\n').keepAliveMs).toBe(5000)
    expect(head('keep-alive: max=100\r\n').keepAliveMs).toBe(-1)
    expect(head('').keepAliveMs).toBe(-1)
  })

  it.each([
    ['a length twice', 'content-length: 2\r\ncontent-length: 2\r\n', 'HPE_UNEXPECTED_CONTENT_LENGTH'],
    [
      'a length and chunks',
      'content-length: 2\r\ntransfer-encoding: chunked\r\n',
      'HPE_UNEXPECTED_CONTENT_LENGTH',
    ],
    [
      'chunks and a length',
      'transfer-encoding: chunked\r\ncontent-length: 2\r\n',
      'HPE_UNEXPECTED_CONTENT_LENGTH',
    ],
    ['a list of lengths', 'content-length: 2, 2\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
    ['no length', 'content-length:\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
    ['a length beyond what is exact', 'content-length: 9999999999999999\r\n', 'HPE_INVALID_CONTENT_LENGTH'],
    ['another coding', 'transfer-encoding: gzip, chunked\r\n', 'HPE_INVALID_TRANSFER_ENCODING'],
    [
      'two codings',
      'transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n',
      'HPE_INVALID_TRANSFER_ENCODING',
    ],
    ['a space before a colon', 'a : b\r\n', 'HPE_INVALID_HEADER_TOKEN'],
    ['a folded line', 'a: b\r\n c\r\n', 'HPE_INVALID_HEADER_TOKEN'],
    ['a bare line feed', 'a: b\nc: d\r\n', 'HPE_INVALID_HEADER_TOKEN'],
    ['a bare carriage return', 'a: b\rc\r\n', 'HPE_INVALID_HEADER_TOKEN'],
    ['a NUL', 'a: b\0\r\n', 'HPE_INVALID_HEADER_TOKEN'],
    ['no name', ': b\r\n', 'HPE_INVALID_HEADER_TOKEN'],
    ['no colon', 'a\r\n', 'HPE_INVALID_HEADER_TOKEN'],
  ])('is refused with %s', (_what, fields, code) => {
    expect(() => head(fields)).toThrow(expect.objectContaining({ code }))
  })

  it('is refused with a coding of HTTP/1.0, which has none', () => {
    expect(() => head('transfer-encoding: chunked\r\n', '200 OK', '1.0')).toThrow(
      expect.objectContaining({ code: 'HPE_INVALID_TRANSFER_ENCODING' }),
    )
  })

  it.each([
    'HTTP/2 200 OK\r\n',
    'HTTP/1.1 99 OK\r\n',
    'HTTP/1.1  200 OK\r\n',
    'ICY 200 OK\r\n',
    'http/1.1 200 OK\r\n',
  ])('is none with the status line %j', (text) => {
    expect(() => readResponseHead(text, false)).toThrow(
      expect.objectContaining({ code: 'HPE_INVALID_CONSTANT' }),
    )
  })
})

it('what cannot become a head any more is not waited for', () => {
  expect(mayBecomeHead('HTT', 'HTT')).toBe(true)
  expect(mayBecomeHead('HTTP/1.', 'a: b\r')).toBe(true)
  expect(mayBecomeHead('220 ftp', '220 ftp')).toBe(false)
  expect(mayBecomeHead('HTTP/1.', 'a: b\n')).toBe(false)
})

it('trailers are fields, and no framing', () => {
  expect(readTrailers('x-sum: 1\r\n')).toEqual(['x-sum', '1'])
  expect(() => readTrailers('content-length: 1\r\n')).toThrow(/twice/)
})
