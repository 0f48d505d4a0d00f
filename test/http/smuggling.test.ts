/**
 * One request in, at most one request out (promises.md G3). Behind the proxy stands an upstream that keeps the exact
 * bytes; readers of every leniency then look for a request that nobody sent.
 */
import { expect, test } from 'vitest'
import { eventually, kept } from '../kit/kept.ts'
import { LENIENT_READERS, readRequests, type ReadRequest } from '../kit/lenient-readers.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { RawClient } from '../kit/raw-client.ts'
import { RawUpstream, type RawConnection } from '../kit/raw-upstream.ts'
import { framingAttacks } from './corpus/framing-attacks.ts'
import { hopAttacks } from './corpus/hop-attacks.ts'
import type { RequestCase } from './corpus/request-case.ts'
import { targetAttacks } from './corpus/target-attacks.ts'

const SENTINEL = 'GET /api/sentinel HTTP/1.1\r\nHost: weir.local\r\n\r\n'
const USUAL = LENIENT_READERS[0]!.how

/** Fields of one connection or of Weir's own: none may arrive, but for the framing of the new connection. */
const NEVER_SENT =
  /^(?:keep-alive|proxy-connection|proxy-authorization|trailer|http2-settings|expect|weir[-_].*)$/

/** Answers every request that it finds with the target of the request. */
function answerAll(connection: RawConnection): void {
  let answered = 0
  connection.socket.on('data', () => {
    const whole = readRequests(connection.text, USUAL).filter(({ isWhole }) => isWhole)
    for (; answered < whole.length; answered += 1) {
      const target = whole[answered]!.line.split(' ')[1]!
      connection.send(`HTTP/1.1 200 OK\r\ncontent-length: ${target.length}\r\n\r\n${target}`)
    }
  })
}

/** What all connections got, by one reader; a request that was cut off is none. */
function wholeRequests(upstream: RawUpstream, how: typeof USUAL): ReadRequest[] {
  return upstream.connections.flatMap(({ text }) => readRequests(text, how)).filter(({ isWhole }) => isWhole)
}

async function answersOf(client: RawClient, count: number): Promise<{ status: number; body: string }[]> {
  const answers = []
  while (answers.length < count) {
    const { status, body } = await client.response()
    answers.push({ status, body: body.toString('latin1') })
  }
  return answers
}

/** Sends an honest request: where the attack came from if that is still open, else as somebody else. */
async function askNext(
  client: RawClient,
  proxy: TestProxy,
  connection: RequestCase['connection'],
): Promise<void> {
  let next = client
  if (connection === 'closed') {
    await client.closed()
    next = kept(await RawClient.open(proxy.port))
  }
  next.send(SENTINEL)
  expect(await answersOf(next, 1)).toEqual([{ status: 200, body: '/sentinel' }])
  expect(client.text + next.text).toBe('')
}

function shown({ line, body = '' }: { line: string; body?: string }): string {
  return `${line} | ${body}`
}

const corpus = Object.entries({ framing: framingAttacks, target: targetAttacks, hop: hopAttacks }).flatMap(
  ([kind, attacks]) => attacks.map((entry) => [`${kind}: ${entry.attack}`, entry] as const),
)

test.each(corpus)('%s', async (_name, { bytes, answers, connection, sent = [], never = [] }) => {
  const upstream = kept(await RawUpstream.start(answerAll))
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url } }))
  const client = kept(await RawClient.open(proxy.port))
  client.send(bytes.replaceAll('{port}', String(proxy.port)))
  const got = await answersOf(client, answers.length)
  expect(got.map(({ status }) => status)).toEqual(answers)
  // Each answer is the one to its own request.
  const targets = got.filter(({ status }) => status === 200).map(({ body }) => body)
  expect(targets.slice(0, sent.length)).toEqual(sent.map(({ line }) => line.split(' ')[1]))
  await askNext(client, proxy, connection)

  const expected = [...sent, { line: 'GET /sentinel HTTP/1.1' }].map(shown).toSorted()
  for (const { name, how } of LENIENT_READERS) {
    const found = wholeRequests(upstream, how)
    // Sorted, since requests of one client may take several connections.
    expect({ reader: name, found: found.map(shown).toSorted() }).toEqual({ reader: name, found: expected })
    for (const { fields } of found) {
      expect(fields.filter(([field]) => NEVER_SENT.test(field))).toEqual([])
      expect(fields.filter(([field]) => field === 'host')).toEqual([['host', `127.0.0.1:${upstream.port}`]])
    }
  }
  const arrived = upstream.connections.map(({ text }) => text.toLowerCase()).join('')
  expect(never.filter((word) => arrived.includes(word.toLowerCase()))).toEqual([])
  await eventually(() => proxy.proxy.stats.openCalls === 0)
  expect(proxy.core.open).toBe(0)
})
