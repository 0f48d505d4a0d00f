/**
 * An upstream that speaks bytes and is lenient on purpose: it believes whatever arrives and answers by script, so
 * that a test shows what left the proxy and not what a strict server would have made of it.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'

/** One connection as the upstream sees it. */
export class RawConnection {
  readonly socket: Socket
  received = Buffer.alloc(0)
  isClosed = false
  error: Error | undefined
  #waiters: (() => void)[] = []

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.#wake()
    })
    socket.on('error', (error) => {
      this.error = error
    })
    socket.on('end', () => this.#wake())
    socket.on('close', () => {
      this.isClosed = true
      this.#wake()
    })
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  /** Head lines of the first request, the request line included. */
  get head(): string[] {
    return this.text.split('\r\n\r\n')[0]!.split('\r\n')
  }

  send(text: string | Uint8Array): this {
    if (typeof text === 'string') this.socket.write(text, 'latin1')
    else this.socket.write(text)
    return this
  }

  /** A real RST. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  async until(isEnough: (connection: RawConnection) => boolean, withinMs = 5000): Promise<this> {
    const deadline = performance.now() + withinMs
    while (!isEnough(this)) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) throw new Error(`upstream: timeout with: ${JSON.stringify(this.text.slice(0, 2000))}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#waiters.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
    return this
  }

  async untilHead(): Promise<this> {
    return this.until(({ text }) => text.includes('\r\n\r\n'))
  }

  async untilClosed(withinMs = 5000): Promise<this> {
    return this.until(({ isClosed }) => isClosed, withinMs)
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}

export class RawUpstream {
  readonly #server: Server
  readonly connections: RawConnection[] = []
  #script: (connection: RawConnection) => void
  #waiters: (() => void)[] = []

  private constructor(script: (connection: RawConnection) => void) {
    this.#script = script
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      const connection = new RawConnection(socket)
      this.connections.push(connection)
      this.#script(connection)
      for (const wake of this.#waiters.splice(0)) wake()
    })
  }

  /** `script` runs for each connection; a string is sent as the answer once a head has arrived. */
  static async start(
    script: string | ((connection: RawConnection) => void) = () => {},
  ): Promise<RawUpstream> {
    const upstream = new RawUpstream(typeof script === 'string' ? answering(script) : script)
    await new Promise<void>((resolve) => {
      upstream.#server.listen(0, '127.0.0.1', resolve)
    })
    return upstream
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.port}`)
  }

  answer(script: string | ((connection: RawConnection) => void)): void {
    this.#script = typeof script === 'string' ? answering(script) : script
  }

  /** The `n`-th connection (from 0), once it is there. */
  async connection(n = 0): Promise<RawConnection> {
    while (this.connections.length <= n) {
      await new Promise<void>((resolve) => {
        this.#waiters.push(resolve)
      })
    }
    return this.connections[n]!
  }

  async close(): Promise<void> {
    for (const { socket } of this.connections) socket.destroy()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}

function answering(text: string): (connection: RawConnection) => void {
  return (connection) => {
    let answered = 0
    connection.socket.on('data', () => {
      const heads = connection.text.split('\r\n\r\n').length - 1
      for (; answered < heads; answered++) connection.send(text)
    })
  }
}
