/**
 * How little a proxy in Node can cost: bare sockets, a hand-written reader of heads, and nothing of what makes it fit
 * to ship. It refuses nothing, times nothing out, and believes whatever a message says of its own length. Heads are
 * read, written anew without what is meant for one connection only, and sent with the first bytes of their body.
 */
import net from 'node:net'

const [, , port, upstreamPort] = process.argv
const END = Buffer.from('\r\n\r\n')
/** The newest first: the others may go cold. */
const free = []

class Client {
  constructor(socket) {
    this.socket = socket
    this.head = undefined
    /** Bytes of the request's body still to come. */
    this.left = 0
    this.upstream = undefined
    socket.on('data', (chunk) => this.data(chunk))
    socket.on('drain', () => this.upstream?.socket.resume())
    socket.on('error', () => {})
    socket.on('close', () => this.upstream?.socket.destroy())
  }

  data(chunk) {
    if (this.left > 0) {
      this.left -= chunk.length
      if (!this.upstream.socket.write(chunk)) this.socket.pause()
      return
    }
    const bytes = this.head === undefined ? chunk : Buffer.concat([this.head, chunk])
    const end = bytes.indexOf(END)
    if (end === -1) {
      this.head = bytes
      return
    }
    this.head = undefined
    const head = readHead(bytes.latin1Slice(0, end))
    this.left = Math.max(0, head.length) - (bytes.length - end - 4)
    this.upstream = free.pop() ?? new Upstream()
    this.upstream.client = this
    send(this.upstream.socket, `${head.text}via: 1.1 limit\r\n\r\n`, bytes, end + 4)
  }
}

class Upstream {
  constructor() {
    this.client = undefined
    this.head = undefined
    this.inBody = false
    this.left = 0
    this.tail = ''
    this.socket = net.connect({ port: Number(upstreamPort), host: '127.0.0.1', noDelay: true })
    this.socket.on('data', (chunk) => this.data(chunk))
    this.socket.on('drain', () => this.client?.socket.resume())
    this.socket.on('error', () => {})
    this.socket.on('close', () => {
      const at = free.indexOf(this)
      if (at !== -1) free.splice(at, 1)
      this.client?.socket.destroy()
    })
  }

  data(chunk) {
    if (this.inBody) return this.body(chunk, 0, '')
    const bytes = this.head === undefined ? chunk : Buffer.concat([this.head, chunk])
    const end = bytes.indexOf(END)
    if (end === -1) {
      this.head = bytes
      return
    }
    this.head = undefined
    const head = readHead(bytes.latin1Slice(0, end))
    this.inBody = true
    this.left = head.length
    this.body(bytes, end + 4, `${head.text}\r\n`)
  }

  /** @param head to be sent before the bytes from `from` on */
  body(bytes, from, head) {
    const { socket } = this.client
    const isTaken = head === '' ? socket.write(bytes) : send(socket, head, bytes, from)
    if (!isTaken) this.socket.pause()
    if (this.left >= 0) {
      this.left -= bytes.length - from
      if (this.left === 0) this.done()
      return
    }
    this.tail = (this.tail + bytes.latin1Slice(Math.max(from, bytes.length - 5))).slice(-5)
    if (this.tail === '0\r\n\r\n') this.done()
  }

  done() {
    this.client.upstream = undefined
    this.client = undefined
    this.inBody = false
    this.tail = ''
    this.socket.resume()
    free.push(this)
  }
}

/** Head and first bytes in one write when they are few. */
function send(socket, head, bytes, from) {
  if (from === bytes.length) return socket.write(head, 'latin1')
  if (bytes.length - from < 4096) return socket.write(head + bytes.latin1Slice(from), 'latin1')
  socket.cork()
  socket.write(head, 'latin1')
  const isTaken = socket.write(bytes.subarray(from))
  socket.uncork()
  return isTaken
}

/** Its lines without `Connection` and `Keep-Alive`, and the length of the body; -1 = chunked. */
function readHead(text) {
  let from = text.indexOf('\r\n') + 2
  if (from === 1) return { text: `${text}\r\n`, length: 0 }
  let kept = text.slice(0, from)
  let length = 0
  while (from < text.length) {
    let to = text.indexOf('\r\n', from)
    if (to === -1) to = text.length
    const name = text.slice(from, text.indexOf(':', from)).toLowerCase()
    if (name === 'content-length') length = Number(text.slice(from + 15, to))
    else if (name === 'transfer-encoding') length = -1
    if (name !== 'connection' && name !== 'keep-alive') kept += `${text.slice(from, to)}\r\n`
    from = to + 2
  }
  return { text: kept, length }
}

net.createServer({ noDelay: true }, (socket) => new Client(socket)).listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
