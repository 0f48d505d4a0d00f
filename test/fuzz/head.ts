/**
 * The head reader, with llhttp as the referee. Each case is bytes on a connection of its own. The same bytes go to a
 * bare node:http server, strict, that notes which whole requests llhttp finds in them; and to Weir, whose upstream is
 * a strict server, too. Whatever reaches the upstream must be one of the requests that llhttp found: same upstream,
 * method, target, body. What llhttp refuses, Weir must not let through.
 */
import { createHash } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { seeded } from '../../src/core/random.ts'
import { framingAttacks } from '../http/corpus/framing-attacks.ts'
import { hopAttacks } from '../http/corpus/hop-attacks.ts'
import { targetAttacks } from '../http/corpus/target-attacks.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import type { Finding, FuzzFigures, FuzzOptions } from './fuzz.ts'
import { MemorySocket } from './memory-socket.ts'
import { Mutator } from './mutator.ts'

/** One for each case of a batch: what its targets end in, so that no case's request passes for one of another. */
const MARKS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const BATCH = MARKS.length
/** The last character of a target, behind the upstream's name and outside of an escape. */
const LAST_OF_TARGET = /(?<= [^ \r\n]{4,}(?<!%[0-9a-f]?))[A-Za-z0-9](?= +HTTP\/)/gi
/** As on Weir's listener. */
const HEADER_BYTES = 32 * 1024
/** Nothing moved for so many turns of the loop: what is not finished by then never will be. */
const QUIET_TURNS = 12
const MOST_TURNS = 4000

const WORDS = [
  '\r',
  '\n',
  '\r\n',
  '\r\n\r\n',
  ' ',
  '\t',
  '\0',
  '\x0b',
  '\x7f',
  '\xff',
  ':',
  ';',
  ',',
  '"',
  '#',
  '?',
  '@',
  '\\',
  '//',
  '/../',
  '/..;/',
  '%2e%2e',
  '%2f',
  '%00',
  '%',
  'chunked',
  'identity',
  'gzip, ',
  ' HTTP/1.1\r\n',
  ' HTTP/1.0\r\n',
  'HTTP/1.1',
  'GET ',
  'POST ',
  'HEAD ',
  'CONNECT ',
  'OPTIONS * ',
  'http://127.0.0.1/',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  '5;a=b\r\nhello\r\n',
  '\r\nContent-Length: 3',
  '\r\nContent-Length: 0',
  '\r\nTransfer-Encoding: chunked',
  '\r\nTransfer-Encoding:\tchunked',
  '\r\nTransfer-Encoding : chunked',
  '\r\nConnection: close',
  '\r\nConnection: keep-alive, te',
  '\r\nConnection: upgrade',
  '\r\nUpgrade: websocket',
  '\r\nExpect: 100-continue',
  '\r\nHost: b',
  '\r\n X: folded',
  '\r\nTE: trailers',
  'GET /u0/smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST /u1/s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody',
]

const SEEDS = [
  ...[...framingAttacks, ...hopAttacks, ...targetAttacks].map(({ bytes }) => bytes),
  'GET /api/a?b=c HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n',
  'POST /api/a HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world',
  'POST /api/a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-T: 1\r\n\r\n',
  'GET /@me.flow/api/a HTTP/1.1\r\nHost: a\r\n\r\nGET /api/b HTTP/1.1\r\nHost: a\r\n\r\n',
  'HEAD /api/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n',
].map((bytes) => bytes.replaceAll('/api/', '/u0/').replaceAll('{port}', '1').slice(0, 4096))

interface Case {
  readonly text: string
  /** Whole requests that llhttp finds, as `keyOf`. */
  readonly found: string[]
  /** Heads that llhttp completed, whatever their bodies. */
  heads: number
  /** The code with which llhttp refused the rest; '' = it did not. */
  refusal: string
  /** What Weir answered. */
  answers: string
}

export async function fuzzHead({ cases, seed }: FuzzOptions): Promise<FuzzFigures> {
  const random = seeded(seed)
  const mutator = new Mutator(SEEDS, WORDS, random)
  const referee = refereeServer()
  const upstreams = [await strictUpstream('u0'), await strictUpstream('u1')]
  const proxy = await startProxy({
    upstreams: Object.fromEntries(
      upstreams.map(({ name, url }) => [name, { url, websocket: false, firstByteTimeoutMs: 60_000 }]),
    ),
    // Half a request would else be waited for.
    limits: { bodyIdleMs: 60_000 },
  })
  const weir = await serverOf(proxy)
  const findings: Finding[] = []
  const signatures = new Set<string>()
  let [done, passed, refusedByBoth, stricter, judgedAlone] = [0, 0, 0, 0, 0]

  async function batch(texts: readonly string[]): Promise<Case[]> {
    const list: Case[] = texts.map((text) => ({ text, found: [], heads: 0, refusal: '', answers: '' }))
    for (const { seen } of upstreams) seen.length = 0
    const sockets: MemorySocket[] = []
    for (const one of list) {
      sockets.push(referee.feed(one))
      const [client, server] = MemorySocket.pair()
      client.on('data', (chunk: Buffer) => (one.answers += chunk.toString('latin1')))
      client.on('error', ignore)
      weir.emit('connection', server)
      client.write(Buffer.from(one.text, 'latin1'))
      sockets.push(client)
    }
    let before = ''
    for (let turns = 0, quiet = 0; quiet < QUIET_TURNS && turns < MOST_TURNS; turns += 1) {
      await turn()
      const taken = upstreams.reduce((sum, upstream) => sum + upstream.moved(), 0)
      const given = list.reduce((sum, { answers, found }) => sum + answers.length + found.length, 0)
      const now = `${taken} ${given}`
      quiet = now === before ? quiet + 1 : 0
      before = now
    }
    for (const socket of sockets) socket.destroy()
    for (let turns = 0; proxy.proxy.stats.openCalls > 0 && turns < MOST_TURNS; turns += 1) await turn()
    // What only the end of its connection completed is complete now.
    await turn()
    return list
  }

  /** Requests at an upstream that nobody sent. */
  function strangers(list: readonly Case[]): string[] {
    const allowed = new Map<string, number>()
    for (const { found } of list) for (const key of found) allowed.set(key, (allowed.get(key) ?? 0) + 1)
    const extra: string[] = []
    for (const { seen } of upstreams) {
      for (const key of seen) {
        const left = allowed.get(key) ?? 0
        if (left === 0) extra.push(key)
        else allowed.set(key, left - 1)
      }
    }
    return extra
  }

  const startedAt = performance.now()
  while (done < cases) {
    const texts = Array.from({ length: Math.min(BATCH, cases - done) }, (_, index) =>
      mutator.next().replace(LAST_OF_TARGET, MARKS[index]!),
    )
    const list = await batch(texts)
    done += list.length
    passed += upstreams.reduce((sum, { seen }) => sum + seen.length, 0)
    const suspects = strangers(list).length > 0 ? list : confusable(list)
    for (const { text } of suspects) {
      judgedAlone += 1
      const extra = strangers(await batch([text]))
      if (extra.length > 0) findings.push({ input: text, why: `the upstream got ${extra.join(' and ')}` })
    }
    for (const one of list) {
      const statuses = one.answers.match(/HTTP\/1\.1 [2-5]\d\d/g) ?? []
      if (statuses.length > one.heads + 1)
        findings.push({ input: one.text, why: `${statuses.length} answers to ${one.heads} requests` })
      const isRefusedByWeir = statuses.some((status) => status !== 'HTTP/1.1 200')
      if (one.refusal !== '' && isRefusedByWeir) refusedByBoth += 1
      if (one.refusal === '' && isRefusedByWeir) stricter += 1
      const signature = `${one.refusal} ${one.found.length} ${statuses.join()}`
      if (signatures.has(signature)) continue
      signatures.add(signature)
      mutator.keep(one.text)
    }
    for (const { malformed } of upstreams)
      for (const why of malformed.splice(0))
        findings.push({ input: '', why: `a malformed request upstream: ${why}` })
    proxy.core.arrivals.length = 0
    proxy.core.marks.length = 0
    proxy.core.settlements.length = 0
    proxy.outcomes.length = 0
    proxy.logged.length = 0
    if (findings.length > 20) break
  }
  const tookMs = performance.now() - startedAt
  await proxy.close()
  for (const upstream of upstreams) await upstream.close()
  return {
    target: 'head',
    cases: done,
    casesPerSecond: Math.round((1000 * done) / tookMs),
    findings,
    figures: {
      passedUpstream: passed,
      refusedByBoth,
      refusedByWeirAlone: stricter,
      behaviours: signatures.size,
      judgedAlone,
    },
  }
}

/** Cases of which another one has the same request all the same: each is judged alone. */
function confusable(list: readonly Case[]): Case[] {
  const owners = new Map<string, Set<Case>>()
  for (const one of list)
    for (const key of one.found) owners.set(key, (owners.get(key) ?? new Set()).add(one))
  return [...new Set([...owners.values()].flatMap((owner) => (owner.size > 1 ? [...owner] : [])))]
}

/** What a request is, for whoever compares two readings of it. */
function keyOf(upstream: string, method: string, target: string, body: string): string {
  return `${upstream} ${method} ${target} ${body}`
}

/**
 * What the upstream is to get of a request by the documented rule for targets, told anew here: an own authority, an
 * identity, the upstream's name, and the rest as it is without Weir's own ticket. '' = nothing.
 */
function expectedKey(request: IncomingMessage, body: string): string {
  const { method = '', url = '' } = request
  const origin = url.replace(/^https?:\/\/[^/?]*/i, '')
  const mark = origin.indexOf('?')
  const [path, query] = mark === -1 ? [origin, ''] : [origin.slice(0, mark), origin.slice(mark + 1)]
  const segments = path.split('/').slice(1)
  let name = decoded(segments.shift() ?? '')
  if (name.startsWith('@')) name = decoded(segments.shift() ?? '')
  const rest = segments.length === 0 ? '/' : `/${segments.join('/')}`
  const kept = query
    .split('&')
    .filter((parameter) => !parameter.startsWith('__weir='))
    .join('&')
  const isEmptied = query.includes('__weir=') && kept === ''
  return keyOf(name, method, rest + (mark === -1 || isEmptied ? '' : `?${kept}`), body)
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}

function refereeServer(): { feed(one: Case): MemorySocket } {
  const byStream = new WeakMap<object, Case>()
  const server = createServer({
    maxHeaderSize: HEADER_BYTES,
    requireHostHeader: false,
    insecureHTTPParser: false,
  })
  server.maxHeadersCount = 0
  server.on('request', (request, response) => {
    const hash = createHash('sha1')
    const one = byStream.get(request.socket)
    if (one !== undefined) one.heads += 1
    request.on('data', (chunk: Buffer) => hash.update(chunk))
    request.on('error', ignore)
    request.on('end', () => {
      one?.found.push(expectedKey(request, hash.digest('hex')))
      response.end()
    })
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const one = byStream.get(socket)
    if (one !== undefined && one.refusal === '') one.refusal = error.code ?? 'error'
    // Requests before the fault are whole, and their ends are still to be told.
    setTimeout(() => socket.destroy(), 5)
  })
  server.on('checkExpectation', (request, response) => {
    const one = byStream.get(request.socket)
    if (one !== undefined) one.heads += 1
    response.writeHead(417).end()
  })
  return {
    feed(one) {
      const [client, side] = MemorySocket.pair()
      byStream.set(side, one)
      client.resume()
      client.on('error', ignore)
      server.emit('connection', side)
      client.write(Buffer.from(one.text, 'latin1'))
      return client
    },
  }
}

interface StrictUpstream {
  readonly name: string
  readonly url: URL
  readonly seen: string[]
  readonly malformed: string[]
  moved(): number
  close(): Promise<void>
}

/** The parser of Node with nothing made lenient. */
async function strictUpstream(name: string): Promise<StrictUpstream> {
  const seen: string[] = []
  const malformed: string[] = []
  let moved = 0
  const server = createServer(
    { maxHeaderSize: 2 * HEADER_BYTES, insecureHTTPParser: false },
    (request, response) => {
      const hash = createHash('sha1')
      moved += 1
      request.on('data', (chunk: Buffer) => {
        moved += 1
        hash.update(chunk)
      })
      request.on('error', ignore)
      request.on('end', () => {
        moved += 1
        seen.push(keyOf(name, request.method ?? '', request.url ?? '', hash.digest('hex')))
        response.end('ok')
      })
    },
  )
  server.maxHeadersCount = 0
  server.keepAliveTimeout = 60_000
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A client that left in the middle of its body leaves a request that is visibly cut.
    if (error.code !== 'HPE_INVALID_EOF_STATE' && error.code !== 'ECONNRESET')
      malformed.push(String(error.code))
    socket.destroy()
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    name,
    url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    seen,
    malformed,
    moved: () => moved,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** The server inside of a proxy, as Node's own channel names it. */
async function serverOf(proxy: TestProxy): Promise<Server> {
  let found: Server | undefined
  const hear = (message: unknown): void => {
    const { server } = message as { server: Server }
    if ((server.address() as AddressInfo | null)?.port === proxy.port) found = server
  }
  subscribe('http.server.request.start', hear)
  await (await fetch(`${proxy.origin}/nobody`)).text()
  unsubscribe('http.server.request.start', hear)
  if (found === undefined) throw new Error('the server of the proxy was not found')
  return found
}

function ignore(): void {}
