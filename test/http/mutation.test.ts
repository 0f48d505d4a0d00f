/**
 * Honest messages with something torn out, doubled or slipped in, by the hundred: whatever becomes of each, readers
 * of every leniency agree on what left the proxy, no answer reaches the wrong request, and nothing stays open.
 */
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { eventually, kept } from '../kit/kept.ts'
import { LENIENT_READERS, readRequests } from '../kit/lenient-readers.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream, type RawConnection } from '../kit/raw-upstream.ts'

const BATCHES = 40
const PER_BATCH = 12
/** For what was sent to be read and answered; what is not finished by then is broken off. */
const READ_MS = 8

const HOST = 'Host: weir.local\r\n'
const HONEST_REQUESTS = [
  `GET /api/a?b=c HTTP/1.1\r\n${HOST}X-A: b\r\n\r\n`,
  `POST /api/a HTTP/1.1\r\n${HOST}Content-Length: 11\r\n\r\nhello world`,
  `POST /api/a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-T: 1\r\n\r\n`,
  `GET /api/a HTTP/1.1\r\n${HOST}Connection: keep-alive, X-A\r\nX-A: b\r\nTE: trailers\r\n\r\n`,
  `GET /api/a HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n`,
  `PUT /api/a HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello`,
  `HEAD http://weir.local/api/a HTTP/1.0\r\n\r\n`,
]
const HONEST_ANSWERS = [
  'HTTP/1.1 200 OK\r\ncontent-length: 5\r\nx-a: b\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-t: 1\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 204 No Content\r\netag: "x"\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n',
  'HTTP/1.0 500 Oops\r\nconnection: close\r\n\r\noops',
  'HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-type: text/event-stream\r\ncontent-length: 4\r\n\r\nwait',
]
const BITS = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  '\0',
  '\x01',
  '\xff',
  ':',
  ';',
  ',',
  '+',
  '-',
  '0',
  '9',
  '0x',
]
const WORDS = [
  'chunked',
  'HTTP/1.1',
  ' HTTP/1.1\r\n',
  'HTTP/1.1 200 OK\r\n',
  '0\r\n\r\n',
  '../',
  '//',
  '%00',
  '#',
]
const FIELDS = [
  '\r\nContent-Length: 3',
  '\r\nTransfer-Encoding: chunked',
  '\r\nTransfer-Encoding: gzip',
  '\r\n X: folded',
  '\r\nConnection: close',
  '\r\nConnection: authorization',
  '\r\nHost: evil',
  '\r\nExpect: 100-continue',
]
const MESSAGES = [
  `GET /api/smuggled HTTP/1.1\r\n${HOST}\r\n`,
  'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison',
]
const piece = fc.constantFrom(...BITS, ...WORDS, ...FIELDS, ...MESSAGES)
const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  cut: fc.integer({ min: 0, max: 4 }),
  piece,
})

function mutated(honest: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...honest), fc.array(mutation, { minLength: 1, maxLength: 3 }))
    .map(([text, mutations]) =>
      mutations.reduce((bytes, { at, cut, piece: inserted }) => {
        const from = Math.floor(at * bytes.length)
        return bytes.slice(0, from) + inserted + bytes.slice(from + cut)
      }, text),
    )
}

function batchOf(honest: readonly string[]): fc.Arbitrary<string[]> {
  return fc.array(mutated(honest), { minLength: PER_BATCH, maxLength: PER_BATCH })
}

/** All at once, each on a connection of its own. */
async function sendAll(port: number, requests: readonly string[]): Promise<void> {
  const clients = await Promise.all(requests.map(async () => RawClient.open(port)))
  clients.forEach((client, index) => client.send(requests[index]!))
  await new Promise((resolve) => setTimeout(resolve, READ_MS))
  for (const client of clients) client.close()
}

/** What somebody else is answered meanwhile; fails when anything stays open. */
async function bystander(proxy: TestProxy): Promise<string> {
  const response = await fetch(`${proxy.origin}/api/sentinel`)
  const body = await response.text()
  await eventually(() => proxy.proxy.stats.openCalls === 0 && proxy.core.open === 0)
  return body
}

/** `answer` for every request but the sentinel, which gets its own. */
function answerWith(answer: () => string): (connection: RawConnection) => void {
  return (connection) => {
    let answered = 0
    connection.socket.on('data', () => {
      const requests = readRequests(connection.text, LENIENT_READERS[0]!.how).filter(({ isWhole }) => isWhole)
      for (; answered < requests.length; answered += 1) {
        const isSentinel = requests[answered]!.line === 'GET /sentinel HTTP/1.1'
        connection.send(isSentinel ? 'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsentinel' : answer())
      }
    })
  }
}

test('mutated requests read the same to everybody behind the proxy', async () => {
  const upstream = kept(await RawUpstream.start(answerWith(() => HONEST_ANSWERS[0]!)))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  await fc.assert(
    fc.asyncProperty(batchOf(HONEST_REQUESTS), async (batch) => {
      const before = upstream.connections.length
      await sendAll(proxy.port, batch)
      expect(await bystander(proxy)).toBe('sentinel')
      for (const { text } of upstream.connections.slice(Math.max(0, before - PER_BATCH))) {
        const [usual, ...others] = LENIENT_READERS.map(({ how }) =>
          readRequests(text, how).filter(({ isWhole }) => isWhole),
        )
        for (const found of others) expect(found).toEqual(usual)
        for (const { line, fields } of usual!) {
          expect(line).toMatch(/^[A-Z-]+ \/[\x21-\x7e]* HTTP\/1\.1$/)
          expect(fields.filter(([name]) => name === 'host')).toEqual([['host', `127.0.0.1:${upstream.port}`]])
          const framing = fields.filter(([name]) => name === 'content-length' || name === 'transfer-encoding')
          expect(framing.length).toBeLessThanOrEqual(1)
        }
      }
    }),
    { numRuns: BATCHES, endOnFailure: true },
  )
})

test('mutated answers harm nobody but who asked for them', async () => {
  let answers: string[] = []
  const upstream = kept(await RawUpstream.start(answerWith(() => answers.pop() ?? HONEST_ANSWERS[0]!)))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  await fc.assert(
    fc.asyncProperty(batchOf(HONEST_ANSWERS), async (batch) => {
      answers = [...batch]
      await sendAll(
        proxy.port,
        Array.from({ length: PER_BATCH }, () => HONEST_REQUESTS[0]!),
      )
      expect(await bystander(proxy)).toBe('sentinel')
    }),
    { numRuns: BATCHES, endOnFailure: true },
  )
})
