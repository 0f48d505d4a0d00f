/**
 * An upstream that is well for 20 s, and then 5 s each slow, overloaded, torn and half-hearted, round and round. All
 * randomness is seeded; faults come to 30 % of the calls of their time.
 */
import { createServer, type ServerResponse } from 'node:http'
import { seeded } from '../../src/core/random.ts'

const [, , port = '0'] = process.argv
const ANSWER = Buffer.from(JSON.stringify({ id: 'x', text: 'y'.repeat(1000) }))
const EVENT = `data: ${JSON.stringify({ delta: 'z'.repeat(60) })}\n\n`
const EVENTS = 30
const EVENT_EVERY_MS = 20
const WELL_MS = 20_000
const FAULT_MS = 5000
const FAULTY_SHARE = 0.3
const SLOW_MS = 800
const FAULTS = ['slow', 'overloaded', 'torn', 'cut'] as const

const random = seeded(11)
const startedAt = performance.now()

function faultNow(): (typeof FAULTS)[number] | undefined {
  const inRound = (performance.now() - startedAt) % (WELL_MS + FAULTS.length * FAULT_MS)
  if (inRound < WELL_MS || random() > FAULTY_SHARE) return undefined
  return FAULTS[Math.floor((inRound - WELL_MS) / FAULT_MS)]
}

const server = createServer((request, response) => {
  request.on('data', () => {})
  request.on('error', () => {})
  const fault = faultNow()
  if (fault === 'torn') {
    request.socket.resetAndDestroy()
    return
  }
  if (fault === 'overloaded') {
    response.writeHead(503, { 'retry-after': '1', 'content-length': '0' }).end()
    return
  }
  if (fault === 'cut') {
    response.writeHead(200, { 'content-length': String(ANSWER.length) })
    response.write(ANSWER.subarray(0, 100), () => request.socket.destroy())
    return
  }
  const answer = request.url?.endsWith('/sse') === true ? () => stream(response) : () => plain(response)
  request.on('end', () => {
    if (fault === 'slow') setTimeout(answer, SLOW_MS)
    else answer()
  })
})

function plain(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(ANSWER.length) })
  response.end(ANSWER)
}

function stream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  let left = EVENTS
  const timer = setInterval(() => {
    if (left-- > 0) {
      response.write(EVENT)
      return
    }
    clearInterval(timer)
    response.end()
  }, EVENT_EVERY_MS)
  response.on('close', () => clearInterval(timer))
}

server.keepAliveTimeout = 120_000
server.listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
