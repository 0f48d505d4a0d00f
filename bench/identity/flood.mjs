/**
 * A flood of wrong keys in a process of its own: `node flood.mjs PORT PER_SECOND MS`. Open loop over kept connections, each
 * request with another key; what could not be sent in its time is not made up for. Prints what was answered, as JSON.
 */
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'

const [port, perSecond, ms] = process.argv.slice(2).map(Number)
const CONNECTIONS = 64
const TICK_MS = 2
/** Different ids and secrets, some with an id that exists. */
const KEYS = Array.from({ length: 8192 }, (_, n) => {
  const id = n % 4 === 0 ? 'known' : randomBytes(6).toString('hex')
  return Buffer.from(
    `POST /up/v1/x HTTP/1.1\r\nhost: weir\r\nweir-key: ${id}.${randomBytes(32).toString('base64url')}\r\ncontent-length: 2\r\n\r\n{}`,
  )
})

let sent = 0
let refused = 0
let others = 0
let next = 0
const idle = []
for (let n = 0; n < CONNECTIONS; n++) {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.on('connect', () => idle.push(socket))
  socket.on('data', (chunk) => {
    if (chunk.includes('HTTP/1.1 401')) refused += 1
    else if (chunk.includes('HTTP/1.1 ')) others += 1
    idle.push(socket)
  })
  socket.on('error', () => (others += 1))
}

const startAt = performance.now() + 200
let due = 0
const timer = setInterval(() => {
  const now = performance.now()
  if (now < startAt) return
  if (now > startAt + ms) {
    clearInterval(timer)
    setTimeout(() => {
      const seconds = ms / 1000
      process.stdout.write(
        `${JSON.stringify({ sent, refused, others, perSecond: Math.round(refused / seconds) })}\n`,
      )
      process.exit(0)
    }, 200)
    return
  }
  due += (perSecond * TICK_MS) / 1000
  while (due >= 1) {
    due -= 1
    const socket = idle.shift()
    if (socket === undefined) {
      // All wait for an answer: Weir is behind, and a flood does not wait for it.
      due = Math.min(due, perSecond / 50)
      break
    }
    sent += 1
    next = (next + 1) % KEYS.length
    socket.write(KEYS[next])
  }
}, TICK_MS)
