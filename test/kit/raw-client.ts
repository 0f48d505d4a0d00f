/** A client that speaks bytes: what it sends is sent as it is, and what comes back is kept as it came. */
import { connect, type Socket } from 'node:net'

export class RawClient {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #closed = false
  /** The connection was reset, or broke otherwise. */
  error: Error | undefined
  #waiters: (() => void)[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    socket.on('error', (error) => {
      this.error = error
    })
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static async open(port: number, options: { allowHalfOpen?: boolean } = {}): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', ...options })
    const client = new RawClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve)
      socket.once('error', reject)
    })
    return client
  }

  get text(): string {
    return this.#received.toString('latin1')
  }

  get bytes(): Buffer {
    return this.#received
  }

  get isClosed(): boolean {
    return this.#closed
  }

  send(text: string | Uint8Array): this {
    if (typeof text === 'string') this.socket.write(text, 'latin1')
    else this.socket.write(text)
    return this
  }

  /** What has come once `isEnough`; fails with what there is after `withinMs`, or when the other side closes. */
  async until(isEnough: (text: string) => boolean, withinMs = 5000): Promise<string> {
    const deadline = performance.now() + withinMs
    while (!isEnough(this.text)) {
      const leftMs = deadline - performance.now()
      if (this.#closed || leftMs <= 0) {
        throw new Error(
          `${this.#closed ? 'closed' : 'timeout'} with: ${JSON.stringify(this.text.slice(0, 2000))}`,
        )
      }
      await this.#change(leftMs)
    }
    return this.text
  }

  /** One whole answer, by its own framing. What follows it stays for the next call. */
  async response(withinMs = 5000): Promise<RawResponse> {
    let whole: { response: RawResponse; length: number } | undefined
    const read = (): boolean => (whole = parseResponse(this.#received, this.#closed)) !== undefined
    const deadline = performance.now() + withinMs
    while (!read()) {
      const leftMs = deadline - performance.now()
      if (this.#closed || leftMs <= 0) {
        throw new Error(
          `no whole answer (${this.#closed ? 'closed' : 'timeout'}): ${JSON.stringify(this.text)}`,
        )
      }
      await this.#change(leftMs)
    }
    this.#received = this.#received.subarray(whole!.length)
    return whole!.response
  }

  async closed(withinMs = 5000): Promise<void> {
    const deadline = performance.now() + withinMs
    while (!this.#closed) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) throw new Error(`still open with: ${JSON.stringify(this.text.slice(0, 2000))}`)
      await this.#change(leftMs)
    }
  }

  /** Leaves with a FIN. */
  close(): void {
    this.socket.destroy()
  }

  async #change(withinMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, withinMs)
      this.#waiters.push(() => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const wake of waiters) wake()
  }
}

export interface RawResponse {
  readonly status: number
  readonly statusLine: string
  /** `Name: value` lines in order, as sent. */
  readonly lines: readonly string[]
  /** First value by lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly trailers: readonly string[]
}

function parseResponse(
  bytes: Buffer,
  closed: boolean,
): { response: RawResponse; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(statusLine.split(' ')[1])
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).toLowerCase()] ??= line.slice(colon + 1).trim()
  }
  const start = end + 4
  const whole = (body: Buffer, length: number, trailers: string[] = []) => ({
    response: { status, statusLine, lines, headers, body, trailers },
    length,
  })
  if (status < 200 || status === 204 || status === 304) return whole(Buffer.alloc(0), start)
  if (headers['transfer-encoding'] === 'chunked') {
    const chunks: Buffer[] = []
    for (let at = start; ;) {
      const lineEnd = bytes.indexOf('\r\n', at)
      if (lineEnd === -1) return undefined
      const size = Number.parseInt(bytes.subarray(at, lineEnd).toString('latin1'), 16)
      if (size === 0) {
        const trailers: string[] = []
        for (let line = lineEnd + 2; ;) {
          const next = bytes.indexOf('\r\n', line)
          if (next === -1) return undefined
          if (next === line) return whole(Buffer.concat(chunks), next + 2, trailers)
          trailers.push(bytes.subarray(line, next).toString('latin1'))
          line = next + 2
        }
      }
      if (bytes.length < lineEnd + 2 + size + 2) return undefined
      chunks.push(bytes.subarray(lineEnd + 2, lineEnd + 2 + size))
      at = lineEnd + 2 + size + 2
    }
  }
  const length = headers['content-length']
  if (length !== undefined) {
    const stop = start + Number(length)
    return bytes.length < stop ? undefined : whole(bytes.subarray(start, stop), stop)
  }
  return closed ? whole(bytes.subarray(start), bytes.length) : undefined
}
