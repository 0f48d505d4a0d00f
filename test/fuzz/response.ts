/**
 * The wire client's reading of answers, with llhttp as the referee. The same bytes, cut at the same places, go to node's
 * own strict HTTP client and to a connection of Weir's. What Weir takes for a whole answer must be one for llhttp, with
 * the same status and the same body; what llhttp refuses, Weir must not begin to answer with; and a connection that
 * Weir keeps must be in step: the next answer on it is the next answer.
 */
import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { seeded } from '../../src/core/random.ts'
import { lent, type Reader } from '../../src/proxy/wire/connect.ts'
import { WireCall } from '../../src/proxy/wire/wire-call.ts'
import { WireConnection } from '../../src/proxy/wire/wire-connection.ts'
import { responseAttacks } from '../http/corpus/response-attacks.ts'
import type { Finding, FuzzFigures, FuzzOptions } from './fuzz.ts'
import { MemorySocket } from './memory-socket.ts'
import { Mutator } from './mutator.ts'

const BATCH = 64
const HEADER_BYTES = 32 * 1024
/** Turns of the loop within which node's client has read what is there: there is no kernel between. */
const TURNS = 8
const NEXT = 'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nsentinel'

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
  '\x80',
  '\xa0',
  '\xff',
  ':',
  ';',
  ',',
  '"',
  'chunked',
  'identity',
  'gzip, ',
  'HTTP/1.1 ',
  'HTTP/1.0 ',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n',
  'HTTP/1.1 204 No\r\n\r\n',
  'HTTP/1.1 304 No\r\ncontent-length: 5\r\n\r\n',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  '5;a=b\r\nhello\r\n',
  '5;a="b;\r\nc"\r\nhello\r\n',
  '0\r\nx-t: 1\r\n\r\n',
  '00005\r\nhello\r\n',
  'fffffffffffffff\r\n',
  '\r\ncontent-length: 3',
  '\r\ncontent-length: 0',
  '\r\ncontent-length : 3',
  '\r\ntransfer-encoding: chunked',
  '\r\ntransfer-encoding:\tchunked',
  '\r\ntransfer-encoding : chunked',
  '\r\nTransfer-Encoding: Chunked',
  '\r\nconnection: close',
  '\r\nconnection: keep-alive, x',
  '\r\nkeep-alive: timeout=0',
  '\r\n x: folded',
]

const SEEDS = [
  ...responseAttacks.map(({ bytes }) => bytes),
  'HTTP/1.1 200 OK\r\ncontent-length: 11\r\nx-a: b\r\n\r\nhello world',
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-t: 1\r\n\r\n',
  'HTTP/1.0 200 OK\r\n\r\nuntil the end',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
  'HTTP/1.1 404\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno',
  NEXT + NEXT,
].map((bytes) => bytes.slice(0, 4096))

const METHODS = ['GET', 'GET', 'GET', 'POST', 'HEAD']

interface Case {
  readonly bytes: Buffer
  readonly method: string
  /** Where it is cut into reads. */
  readonly cuts: readonly number[]
  /** The connection ends behind it. */
  readonly ends: boolean
}

interface Reading {
  status: number
  body: string
  isWhole: boolean
  /** '' = not refused. */
  refusal: string
}

export async function fuzzResponse({ cases, seed }: FuzzOptions): Promise<FuzzFigures> {
  const random = seeded(seed)
  const mutator = new Mutator(SEEDS, WORDS, random)
  const findings: Finding[] = []
  const signatures = new Set<string>()
  let [done, whole, refusedByBoth, stricter, keptInStep] = [0, 0, 0, 0, 0]

  function nextCase(): Case {
    const bytes = Buffer.from(mutator.next(), 'latin1')
    const cuts = Array.from({ length: Math.floor(4 * random() ** 2) }, () =>
      Math.floor(random() * bytes.length),
    )
    const method = METHODS[Math.floor(random() * METHODS.length)]!
    return { bytes, method, cuts: cuts.toSorted((a, b) => a - b), ends: random() < 0.5 }
  }

  function judge(one: Case, judged: Reading, read: WireReading): void {
    const complain = (why: string): void => {
      findings.push({ input: one.bytes.toString('latin1'), why: `${one.method}, ends ${one.ends}: ${why}` })
    }
    if (read.isWhole) {
      whole += 1
      if (!judged.isWhole) complain(`llhttp finds no whole answer (${judged.refusal}), Weir ${read.status}`)
      else if (judged.status !== read.status) complain(`status ${judged.status}, for Weir ${read.status}`)
      else if (judged.body !== read.body) complain(`the body is ${judged.body}, for Weir ${read.body}`)
    } else if (read.status !== 0) {
      if (judged.status === 0)
        complain(`llhttp refuses the head (${judged.refusal}), Weir begins ${read.status}`)
      else if (!judged.body.startsWith(read.body) && !read.body.startsWith(judged.body))
        complain(`the body begins ${judged.body}, for Weir ${read.body}`)
    }
    if (read.next !== '' && read.next !== 'sentinel') complain(`the next answer was ${read.next}`)
    if (read.next === 'sentinel') keptInStep += 1
    const uncut = readByWire({ ...one, cuts: [] })
    if (read.isWhole !== uncut.isWhole || read.status !== uncut.status || read.next !== uncut.next)
      complain(
        `cut at ${one.cuts.join()} it is ${read.status} ${read.refusal}, in one piece ${uncut.status} ${uncut.refusal}`,
      )
    if (read.refusal !== '' && judged.refusal !== '') refusedByBoth += 1
    else if (read.refusal !== '' && judged.isWhole) stricter += 1
  }

  const startedAt = performance.now()
  while (done < cases && findings.length <= 20) {
    const list = Array.from({ length: Math.min(BATCH, cases - done) }, nextCase)
    const referees = list.map(askReferee)
    for (let turns = 0; turns < TURNS; turns += 1) await turn()
    list.forEach((one, index) => {
      const judged = referees[index]!.reading
      const read = readByWire(one)
      judge(one, judged, read)
      const signature = `${one.method} ${judged.refusal} ${judged.status} ${judged.isWhole} ${read.refusal} ${read.isWhole} ${read.next}`
      if (signatures.has(signature)) return
      signatures.add(signature)
      mutator.keep(one.bytes.toString('latin1'))
    })
    for (const { socket } of referees) socket.destroy()
    done += list.length
  }
  const tookMs = performance.now() - startedAt
  return {
    target: 'response',
    cases: done,
    casesPerSecond: Math.round((1000 * done) / tookMs),
    findings,
    figures: { whole, refusedByBoth, refusedByWeirAlone: stricter, keptInStep, behaviours: signatures.size },
  }
}

function pieces({ bytes, cuts }: Case): Buffer[] {
  const places = [0, ...cuts, bytes.length]
  return places.slice(1).map((to, index) => bytes.subarray(places[index], to))
}

/** Node's own client, strict. What it has found after a few turns is its reading. */
function askReferee(one: Case): { reading: Reading; socket: MemorySocket } {
  const [side, socket] = MemorySocket.pair()
  const reading: Reading = { status: 0, body: '', isWhole: false, refusal: '' }
  const request = httpRequest({
    method: one.method,
    maxHeaderSize: HEADER_BYTES,
    insecureHTTPParser: false,
    createConnection: () => side,
  })
  request.on('error', (error: NodeJS.ErrnoException) => (reading.refusal ||= error.code ?? 'error'))
  request.on('upgrade', () => (reading.refusal ||= 'upgrade'))
  request.on('response', (response) => {
    reading.status = response.statusCode ?? 0
    response.on('data', (chunk: Buffer) => (reading.body += chunk.toString('latin1')))
    response.on('end', () => (reading.isWhole = response.complete))
    response.on('error', (error: NodeJS.ErrnoException) => (reading.refusal ||= error.code ?? 'error'))
  })
  request.end()
  socket.on('error', ignore)
  socket.resume()
  // Not before the request is on its way: an answer to nothing is refused by all.
  setImmediate(() => {
    for (const piece of pieces(one)) if (piece.length > 0) socket.write(piece)
    if (one.ends) socket.end()
  })
  return { reading, socket }
}

interface WireReading extends Reading {
  /** Body of a second answer on the same connection; '' = the connection was not kept. */
  next: string
}

/** What is read is lent, and gone after the read. */
function readByWire(one: Case): WireReading {
  const [socket] = MemorySocket.pair()
  socket.on('error', ignore)
  const reader: Reader = { read: undefined }
  let isFree = false
  const connection = new WireConnection(socket as unknown as Socket, reader, {
    ended: () => (isFree = true),
    gone: () => (isFree = false),
  })
  const first: WireReading = { status: 0, body: '', isWhole: false, refusal: '', next: '' }
  connection.carry(callFor(one.method, first))
  for (const piece of pieces(one)) feed(reader, piece)
  if (one.ends) socket.emit('end')
  if (isFree) {
    isFree = false
    const second: Reading = { status: 0, body: '', isWhole: false, refusal: '' }
    connection.carry(callFor('GET', second))
    feed(reader, Buffer.from(NEXT))
    first.next = second.isWhole ? second.body : `none (${second.refusal})`
  }
  connection.drop()
  return first
}

function feed(reader: Reader, piece: Buffer): void {
  for (let from = 0; from < piece.length; from += lent.length) {
    const bytes = piece.copy(lent, 0, from)
    reader.read?.(lent.subarray(0, bytes))
    lent.fill('X', 0, bytes)
  }
}

function callFor(method: string, reading: Reading): WireCall {
  const request = { method, path: '/', headers: [], body: null, isUpgrade: false }
  return new WireCall(request, 'a', {
    onResponseStart: (_controller, status) => {
      if (status >= 200) reading.status = status
    },
    onResponseData: (_controller, chunk) => {
      reading.body += chunk.toString('latin1')
    },
    onResponseEnd: () => {
      reading.isWhole = true
    },
    onResponseError: (_controller, error) => {
      reading.refusal = 'code' in error ? String(error.code) : error.message
    },
  })
}

function ignore(): void {}
