/** The upstream behind every target: a lean node:http server with 1 KiB JSON answers and two event streams; `/silent` keeps its place. */
import { createServer } from 'node:http'

const [, , port = '0'] = process.argv
const JSON_BODY = Buffer.from(JSON.stringify({ id: 'x', text: 'y'.repeat(1000) }))
const EVENT = Buffer.from(`data: ${JSON.stringify({ delta: 'z'.repeat(60) })}\n\n`)

/** Of the paced stream. */
const PACED_EVENTS = 60
const PACE_MS = 10

const server = createServer((request, response) => {
  if (request.url?.endsWith('/silent') === true) return void request.resume()
  if (request.url?.endsWith('/sse-paced') === true) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let left = PACED_EVENTS
    const timer = setInterval(() => {
      if (left-- > 0) {
        // The clock that all processes of a machine share.
        response.write(`data: {"at":${Number(process.hrtime.bigint()) / 1e6}}\n\n`)
        return
      }
      clearInterval(timer)
      response.end()
    }, PACE_MS)
    response.on('close', () => clearInterval(timer))
    return
  }
  if (request.url?.endsWith('/sse') === true) {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let left = 200
    const next = (): void => {
      if (left-- === 0) return void response.end()
      response.write(EVENT)
      setImmediate(next)
    }
    return next()
  }
  const answer = (): void => {
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': String(JSON_BODY.length),
    })
    response.end(JSON_BODY)
  }
  if (request.method === 'GET') return answer()
  request.on('data', () => {})
  request.on('end', answer)
})
server.keepAliveTimeout = 120_000
server.listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
