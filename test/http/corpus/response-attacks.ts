/** One way in which an upstream answers badly, and all that the client may see of it (promises.md rows 31, 38-42). */
export interface ResponseCase {
  readonly attack: string
  /** What the upstream sends once the request is there. */
  readonly bytes: string
  /** What it does afterwards; absent = nothing. */
  readonly after?: 'end' | 'reset'
  /** Of the request; GET unless said. */
  readonly method?: string
  /** A status and a body in whole, or `cut`: the connection broke before an end that a client would believe. */
  readonly client: { readonly status: number; readonly body: string } | 'cut'
  /** Names that the client must not see. */
  readonly never?: readonly string[]
}

const OK = 'HTTP/1.1 200 OK\r\n'
const POISON = `${OK}content-length: 6\r\n\r\npoison`
const BAD_GATEWAY = { status: 502, body: 'weir' } as const
const FINE = { status: 200, body: 'ok' } as const

function bad(attack: string, bytes: string, after?: 'end' | 'reset'): ResponseCase {
  return { attack, bytes, client: BAD_GATEWAY, ...(after === undefined ? {} : { after }) }
}

export const responseAttacks: readonly ResponseCase[] = [
  bad(
    'a length and chunks',
    `${OK}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${POISON}`,
  ),
  bad(
    'chunks and a length',
    `${OK}transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n${POISON}`,
  ),
  bad('two lengths that differ', `${OK}content-length: 2\r\ncontent-length: 9\r\n\r\nok${POISON}`),
  bad('two equal lengths', `${OK}content-length: 2\r\ncontent-length: 2\r\n\r\nok`),
  bad('a list of lengths', `${OK}content-length: 2, 2\r\n\r\nok`),
  bad('a length with a plus sign', `${OK}content-length: +2\r\n\r\nok`),
  bad('a negative length', `${OK}content-length: -2\r\n\r\nok`),
  bad('a hexadecimal length', `${OK}content-length: 0x2\r\n\r\nok`),
  bad('a coding after chunked', `${OK}transfer-encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n`),
  bad(
    'a coding that is not undone here',
    `${OK}transfer-encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n`,
  ),
  bad('a coding instead of chunked', `${OK}transfer-encoding: gzip\r\n\r\nok`),
  bad('a space before the colon', `${OK}content-length : 2\r\n\r\nok`),
  bad('a NUL in a field', `${OK}x-a: b\0c\r\ncontent-length: 2\r\n\r\nok`),
  bad('a bare carriage return in a field', `${OK}x-a: b\rc\r\ncontent-length: 2\r\n\r\nok`),
  bad('a header line without a colon', `${OK}x-a\r\ncontent-length: 2\r\n\r\nok`),
  bad('junk for a status line', '220 mail.example ESMTP\r\n\r\n'),
  bad('no number for a status', 'HTTP/1.1 OK\r\ncontent-length: 2\r\n\r\nok'),
  bad('another protocol', 'HTTP/3.7 200 OK\r\ncontent-length: 2\r\n\r\nok'),
  bad('a head of 33 KiB', `${OK}x-a: ${'a'.repeat(33 * 1024)}\r\ncontent-length: 2\r\n\r\nok`),
  bad('a head without end', `${OK}${`x-a: ${'a'.repeat(1000)}\r\n`.repeat(50)}`),
  bad(
    'an upgrade that nobody asked for',
    'HTTP/1.1 101 Sure\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
  ),
  bad('an end before a head', '', 'end'),
  bad('a reset before a head', '', 'reset'),
  bad('an end in the middle of a head', `${OK}x-a: b`, 'end'),
  bad('a reset in the middle of a head', `${OK}x-a: b`, 'reset'),
  bad('an end after 100 Continue', 'HTTP/1.1 100 Continue\r\n\r\n', 'end'),

  {
    attack: 'an end in the middle of a body with a length',
    bytes: `${OK}content-length: 9\r\n\r\nok`,
    after: 'end',
    client: 'cut',
  },
  {
    attack: 'a reset in the middle of a body with a length',
    bytes: `${OK}content-length: 9\r\n\r\nok`,
    after: 'reset',
    client: 'cut',
  },
  {
    attack: 'an end between chunks',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n`,
    after: 'end',
    client: 'cut',
  },
  {
    attack: 'a reset between chunks',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n`,
    after: 'reset',
    client: 'cut',
  },
  {
    attack: 'an end before the end of trailers',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-a: b\r\n`,
    after: 'end',
    client: 'cut',
  },
  {
    attack: 'a reset in a body that ends with its connection',
    bytes: `${OK}connection: close\r\n\r\nok`,
    after: 'reset',
    client: 'cut',
  },
  {
    attack: 'a chunk size that is none',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n`,
    client: 'cut',
  },
  {
    attack: 'a chunk longer than its size',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n`,
    client: 'cut',
  },
  {
    attack: 'a chunk size beyond 64 bits',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n`,
    client: 'cut',
  },
  {
    attack: 'a length in the trailers',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\ncontent-length: 9\r\n\r\n`,
    client: 'cut',
  },

  {
    attack: 'another answer behind the first',
    bytes: `${OK}content-length: 2\r\n\r\nok${POISON}`,
    client: FINE,
  },
  {
    attack: 'an error behind the answer',
    bytes: `${OK}content-length: 2\r\n\r\nokHTTP/1.1 500 Oops\r\ncontent-length: 4\r\n\r\noops`,
    client: FINE,
  },
  {
    attack: 'junk behind the answer',
    bytes: `${OK}content-length: 2\r\n\r\nok\x16\x03\x01junk`,
    client: FINE,
  },
  {
    attack: 'an end behind the answer',
    bytes: `${OK}content-length: 2\r\n\r\nok`,
    after: 'end',
    client: FINE,
  },
  {
    attack: 'a reset behind the answer',
    bytes: `${OK}content-length: 2\r\n\r\nok`,
    after: 'reset',
    client: FINE,
  },
  {
    attack: 'a body on 204',
    bytes: `HTTP/1.1 204 No Content\r\n\r\n${POISON}`,
    client: { status: 204, body: '' },
  },
  {
    attack: 'a length on 204',
    bytes: 'HTTP/1.1 204 No Content\r\ncontent-length: 6\r\n\r\n',
    client: { status: 204, body: '' },
    never: ['content-length'],
  },
  {
    attack: 'control characters for a reason',
    bytes: 'HTTP/1.1 200 O\x01\x1bK\r\ncontent-length: 2\r\n\r\nok',
    client: FINE,
  },
  {
    attack: 'a body on 304',
    bytes: `HTTP/1.1 304 Not Modified\r\ncontent-length: ${POISON.length}\r\n\r\n${POISON}`,
    client: { status: 304, body: '' },
  },
  {
    attack: 'a body on the answer to HEAD',
    method: 'HEAD',
    bytes: `${OK}content-length: ${POISON.length}\r\n\r\n${POISON}`,
    client: { status: 200, body: '' },
  },
  {
    attack: 'an answer in the shape of a body',
    bytes: `${OK}content-length: ${POISON.length}\r\n\r\n${POISON}`,
    client: { status: 200, body: POISON },
  },
  {
    attack: 'interim answers before the answer',
    bytes: `HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n${OK}content-length: 2\r\n\r\nok`,
    client: FINE,
  },
  {
    attack: 'chunk extensions',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2;weir-verdict=shed\r\nok\r\n0\r\n\r\n`,
    client: FINE,
    never: ['weir-verdict'],
  },
  {
    attack: 'trailers that would be fields',
    bytes: `${OK}transfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nset-cookie: a=b\r\nweir-source: proxy\r\n\r\n`,
    client: FINE,
    never: ['set-cookie', 'weir-source'],
  },
  {
    attack: 'fields of the connection, and words of Weir itself',
    bytes: `${OK}connection: x-inner, close\r\nx-inner: 1\r\nkeep-alive: timeout=1\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nalt-svc: h3=":443"\r\nweir-verdict: shed\r\nweir_reason: storm\r\ncontent-length: 2\r\n\r\nok`,
    client: FINE,
    never: ['x-inner', 'proxy-authenticate', 'upgrade', 'alt-svc', 'weir-verdict', 'weir_reason'],
  },
  {
    attack: 'a length that Connection declares hop-by-hop',
    bytes: `${OK}connection: content-length\r\ncontent-length: 2\r\n\r\nok`,
    client: FINE,
  },
]
