/** Where a request ends: lengths, chunks, line ends (promises.md rows 19-24; RFC 9112 5, 6, 7, 11.2). */
import { GET, HOST, POST, refused, SMUGGLED, type RequestCase } from './request-case.ts'

/** Ends at once for a reader of chunks, after the smuggled request for a reader of lengths. */
const LENGTH_AND_CHUNKS = `0\r\n\r\n${SMUGGLED}`
const LENGTH = `Content-Length: ${LENGTH_AND_CHUNKS.length}\r\n`
const CHUNKED = 'Transfer-Encoding: chunked\r\n'

function withLength(value: string): string {
  return `${POST}Content-Length: ${value}\r\n\r\nabc${SMUGGLED}`
}

function withCoding(line: string): string {
  return `${POST}${line}${LENGTH}\r\n${LENGTH_AND_CHUNKS}`
}

/** A coding alone: no length says otherwise. */
function codingOnly(line: string): string {
  return `${POST}${line}\r\n0\r\n\r\n${SMUGGLED}`
}

function chunk(bytes: string): string {
  return `${POST}${CHUNKED}\r\n${bytes}0\r\n\r\n${SMUGGLED}`
}

export const framingAttacks: readonly RequestCase[] = [
  refused('CL.TE: a length, then chunks', `${POST}${LENGTH}${CHUNKED}\r\n${LENGTH_AND_CHUNKS}`),
  refused('TE.CL: chunks, then a length', `${POST}${CHUNKED}${LENGTH}\r\n${LENGTH_AND_CHUNKS}`),
  refused(
    'CL.CL: two lengths that differ',
    `${POST}Content-Length: 0\r\n${withLength('3').slice(POST.length)}`,
  ),
  refused('two equal lengths', `${POST}Content-Length: 3\r\n${withLength('3').slice(POST.length)}`),
  refused('a list of equal lengths', withLength('3, 3')),
  refused('a length with a plus sign', withLength('+3')),
  refused('a negative length', withLength('-1')),
  refused('a hexadecimal length', withLength('0x3')),
  refused('an empty length', withLength('')),
  refused('a length with words behind it', withLength('3 bytes')),
  refused('a length in exponent form', withLength('3e0')),
  refused('a length beyond 64 bits, that wraps to 3', withLength('18446744073709551619')),
  refused('a space before the colon of Content-Length', `${POST}Content-Length : 3\r\n\r\nabc${SMUGGLED}`),
  refused('TE.TE: an unknown coding that looks like chunked', withCoding('Transfer-Encoding: xchunked\r\n')),
  refused('a coding after chunked', codingOnly('Transfer-Encoding: chunked, identity\r\n')),
  refused('a coding before chunked', codingOnly('Transfer-Encoding: gzip, chunked\r\n')),
  refused('identity before chunked', codingOnly('Transfer-Encoding: identity, chunked\r\n')),
  refused('Transfer-Encoding: identity', codingOnly('Transfer-Encoding: identity\r\n')),
  refused('chunked in quotes', codingOnly('Transfer-Encoding: "chunked"\r\n')),
  refused('chunked with a parameter', codingOnly('Transfer-Encoding: chunked;q=1\r\n')),
  refused('a vertical tab before chunked', codingOnly('Transfer-Encoding: \vchunked\r\n')),
  refused('Transfer-Encoding twice', codingOnly(`${CHUNKED}Transfer-Encoding: identity\r\n`)),
  refused('chunked twice', codingOnly(CHUNKED + CHUNKED)),
  refused('a space before the colon of Transfer-Encoding', withCoding('Transfer-Encoding : chunked\r\n')),
  refused(
    'a Transfer-Encoding that is folded onto the line before',
    withCoding('X-A: b\r\n Transfer-Encoding: chunked\r\n'),
  ),
  refused(
    'a Transfer-Encoding whose value is on the next line',
    withCoding('Transfer-Encoding:\r\n chunked\r\n'),
  ),
  refused(
    'a Transfer-Encoding behind a bare line feed',
    withCoding('X-A: b\nTransfer-Encoding: chunked\r\n'),
  ),
  refused(
    'a Transfer-Encoding behind a bare carriage return',
    withCoding('X-A: b\rTransfer-Encoding: chunked\r\n'),
  ),
  refused('a Transfer-Encoding behind a NUL', withCoding('X-A: b\0Transfer-Encoding: chunked\r\n')),
  refused('chunks in HTTP/1.0', `POST /api/first HTTP/1.0\r\n${HOST}${CHUNKED}\r\n0\r\n\r\n${SMUGGLED}`),
  refused('line feeds alone', `GET /api/first HTTP/1.1\nHost: a\n\n${SMUGGLED}`),
  refused('a folded line', `${GET}X-A: b\r\n\tc\r\n\r\n${SMUGGLED}`),
  refused('a header line without a colon', `${GET}X-A\r\n\r\n${SMUGGLED}`),
  refused('a header without a name', `${GET}: b\r\n\r\n${SMUGGLED}`),
  refused('a carriage return too many', `${GET}X-A: b\r\r\n\r\n${SMUGGLED}`),
  refused('a chunk size with 0x', chunk('0x3\r\nabc\r\n')),
  refused('a negative chunk size', chunk('-3\r\nabc\r\n')),
  refused('a chunk size beyond 64 bits', chunk('10000000000000003\r\nabc\r\n')),
  refused('a chunk longer than its size', chunk('3\r\nabcdef\r\n')),
  refused('a chunk size that ends with a line feed', chunk('3\nabc\r\n')),
  refused('a line feed in a chunk extension', chunk('3;a=\nb\r\nabc\r\n')),
  refused('a carriage return in a chunk extension', chunk('3;a=\rb\r\nabc\r\n')),
  refused('a chunk that ends with a line feed', chunk('3\r\nabc\n')),
  refused('a length in the trailers', `${POST}${CHUNKED}\r\n0\r\nContent-Length: 3\r\n\r\n${SMUGGLED}`),
  {
    attack: 'a chunk extension of 17 KiB',
    bytes: chunk(`3;a=${'b'.repeat(17 * 1024)}\r\nabc\r\n`),
    answers: [400],
    connection: 'closed',
  },
  {
    attack: 'a chunk extension and trailers that would be fields',
    bytes: `${POST}${CHUNKED}\r\n3;weir-agent=x\r\nabc\r\n0\r\nHost: evil\r\nWeir-Agent: me\r\nAuthorization: t\r\n\r\n`,
    answers: [200],
    connection: 'open',
    sent: [{ line: 'POST /first HTTP/1.1', body: 'abc' }],
    never: ['weir-agent', 'evil', 'authorization'],
  },
  {
    attack: 'chunked in capitals, behind a tab',
    bytes: `${POST}Transfer-Encoding:\tCHUNKED\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
    answers: [200],
    connection: 'open',
    sent: [{ line: 'POST /first HTTP/1.1', body: 'abc' }],
  },
  {
    attack: 'a request as the body of a GET',
    bytes: `${GET}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    answers: [200],
    connection: 'open',
    sent: [{ line: 'GET /first HTTP/1.1', body: SMUGGLED }],
  },
  {
    attack: 'a request in a chunk',
    bytes: `${POST}${CHUNKED}\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    answers: [200],
    connection: 'open',
    sent: [{ line: 'POST /first HTTP/1.1', body: SMUGGLED }],
  },
  {
    attack: 'a body that ends in half a request, and its other half as the next request',
    bytes: `${POST}Content-Length: 27\r\n\r\nGET /api/smuggled HTTP/1.1\n${SMUGGLED.replace('smuggled', 'second')}`,
    answers: [200, 200],
    connection: 'open',
    sent: [
      { line: 'POST /first HTTP/1.1', body: 'GET /api/smuggled HTTP/1.1\n' },
      { line: 'GET /second HTTP/1.1' },
    ],
  },
  {
    attack: 'chunks that Connection declares hop-by-hop',
    bytes: `${POST}Connection: Transfer-Encoding\r\n${CHUNKED}\r\n3\r\nabc\r\n0\r\n\r\n`,
    answers: [200],
    connection: 'open',
    sent: [{ line: 'POST /first HTTP/1.1', body: 'abc' }],
  },
]
