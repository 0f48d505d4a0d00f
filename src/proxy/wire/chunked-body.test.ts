import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { ChunkedBody } from './chunked-body.ts'

interface Read {
  readonly body: string
  readonly trailers: readonly string[]
  /** Bytes behind the end, which were not looked at; -1 = there was no end. */
  readonly left: number
}

function read(text: string, cuts: readonly number[] = []): Read {
  const bytes = Buffer.from(text, 'latin1')
  const places = [
    0,
    ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b),
    bytes.length,
  ]
  const chunked = new ChunkedBody()
  let body = ''
  let taken = 0
  for (let index = 1; index < places.length; index++) {
    const piece = bytes.subarray(places[index - 1], places[index])
    for (let at = 0; at < piece.length && !chunked.isDone;) {
      const next = chunked.read(piece, at)
      body += chunked.piece?.toString('latin1') ?? ''
      taken += next - at
      at = next
    }
  }
  return { body, trailers: chunked.trailers, left: chunked.isDone ? bytes.length - taken : -1 }
}

it('is the same wherever the reads are cut', () => {
  const chunk = fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    minLength: 1,
  })
  const extension = fc.constantFrom('', ';a', ';a=b', ';a="b c\\" d";e')
  fc.assert(
    fc.property(
      fc.array(fc.tuple(chunk, extension)),
      fc.constantFrom([], ['x-a', '1'], ['x-a', '1', 'x-b', '']),
      fc.array(fc.nat(200)),
      fc.constantFrom('', 'HTTP/1.1 200 OK\r\n'),
      (chunks, trailers, cuts, behind) => {
        let text = ''
        for (const [data, ext] of chunks) text += `${data.length.toString(16)}${ext}\r\n${data}\r\n`
        text += '0\r\n'
        for (let index = 0; index < trailers.length; index += 2)
          text += `${trailers[index]}: ${trailers[index + 1]}\r\n`
        const body = chunks.map(([data]) => data).join('')
        expect(read(`${text}\r\n${behind}`, cuts)).toEqual({ body, trailers, left: behind.length })
      },
    ),
  )
})

it('gives a large chunk as it comes', () => {
  expect(read('a\r\n01234')).toEqual({ body: '01234', trailers: [], left: -1 })
})

it.each([
  ['no size', '\r\n', 'HPE_INVALID_CHUNK_SIZE'],
  ['a size that is not hexadecimal', 'g\r\n', 'HPE_INVALID_CHUNK_SIZE'],
  ['a sign', '-1\r\n', 'HPE_INVALID_CHUNK_SIZE'],
  ['a prefix', '0x1\r\n', 'HPE_INVALID_CHUNK_SIZE'],
  ['a space behind the size', '1 \r\na\r\n', 'HPE_INVALID_CHUNK_SIZE'],
  ['a size beyond what is exact', `${'f'.repeat(14)}\r\n`, 'HPE_INVALID_CHUNK_SIZE'],
  ['a bare line feed', '1\na\r\n', 'HPE_INVALID_CHUNK_SIZE'],
  ['a carriage return without line feed', '1\ra\r\n', 'HPE_STRICT'],
  ['data that is longer than its size', '1\r\nab\r\n', 'HPE_STRICT'],
  ['a bare line feed behind the data', '1\r\na\n', 'HPE_STRICT'],
  ['an extension that is none', '1;=\r\na\r\n', 'HPE_STRICT'],
  ['extensions without end', `1;${'a'.repeat(17_000)}`, 'HPE_CHUNK_EXTENSIONS_OVERFLOW'],
  ['trailers without end', `0\r\n${'x: y\r\n'.repeat(8000)}`, 'UND_ERR_HEADERS_OVERFLOW'],
  ['a trailer that is none', '0\r\nx\r\n\r\n', 'HPE_INVALID_HEADER_TOKEN'],
  ['a bare line feed for the end', '0\r\n\n', 'HPE_INVALID_HEADER_TOKEN'],
])('refuses %s', (_what, text, code) => {
  expect(() => read(text)).toThrow(expect.objectContaining({ code }))
})
