/**
 * Latency at a fixed rate, beside the same without a proxy: calls go out when they are due, whatever came of those
 * before, so a target that stalls is seen to stall. The client is bare sockets with bytes made beforehand: a client
 * that costs more than the proxy would be what is measured.
 */
import { connect, type Socket } from 'node:net'
import type { Target } from '../targets/target.ts'
import { median, quantile, rounded } from './quantiles.ts'

export const CALLS_PER_SECOND = 1000
const ROUNDS = 5
/** Of a round: connections and code are still cold. */
const LEFT_OUT = 300

/** Added milliseconds by target; each round is compared with the direct calls of the same round. */
export async function addedLatency(
  direct: number,
  targets: readonly Target[],
  seconds: number,
): Promise<Record<string, unknown>> {
  const compared = targets.filter(({ name }) => name === 'weir' || name === 'nginx' || name === 'base')
  const samples = compared.map(({ name }) => ({ name, p50: [] as number[], p99: [] as number[] }))
  const directP99: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const base = await fixedRate(direct, '/v1/models', seconds)
    directP99.push(quantile(base, 0.99))
    for (const [index, target] of compared.entries()) {
      const values = await fixedRate(target.port, `${target.prefix}/v1/models`, seconds)
      samples[index]?.p50.push(quantile(values, 0.5) - quantile(base, 0.5))
      samples[index]?.p99.push(quantile(values, 0.99) - quantile(base, 0.99))
    }
  }
  const addedMsP50: Record<string, number> = {}
  const addedMsP99: Record<string, number> = {}
  for (const { name, p50, p99 } of samples) {
    addedMsP50[name] = rounded(median(p50), 3)
    addedMsP99[name] = rounded(median(p99), 3)
  }
  return { addedMsP50, addedMsP99, directMsP99: rounded(median(directP99), 3) }
}

/** Milliseconds of each call from its write to the last byte of its answer. */
async function fixedRate(port: number, path: string, seconds: number): Promise<number[]> {
  const total = seconds * CALLS_PER_SECOND
  const values: number[] = []
  const free: Line[] = []
  const all: Line[] = []
  const bytes = Buffer.from(`GET ${path} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`, 'latin1')
  let started = 0
  let ended = 0
  const startedAt = performance.now()
  await new Promise<void>((resolve, reject) => {
    const timer = setInterval(() => {
      const due = ((performance.now() - startedAt) * CALLS_PER_SECOND) / 1000
      while (started < total && started <= due) {
        started += 1
        let line = free.pop()
        if (line === undefined) {
          line = new Line(port, reject)
          all.push(line)
        }
        line.ask(bytes, (ms, used) => {
          free.push(used)
          values.push(ms)
          if (++ended === total) resolve()
        })
      }
      if (started === total) clearInterval(timer)
    }, 1)
  })
  for (const line of all) line.close()
  return values.slice(Math.min(LEFT_OUT, values.length >> 2))
}

type Answered = (ms: number, line: Line) => void

/** One connection, one call at a time; understands answers with a length, which is all that is asked for. */
class Line {
  readonly #socket: Socket
  #text = ''
  #sentAt = 0
  #whole = -1
  #answered: Answered | undefined

  constructor(port: number, failed: (error: Error) => void) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text: string) => this.#take(text))
    this.#socket.on('error', failed)
  }

  ask(bytes: Buffer, answered: Answered): void {
    this.#answered = answered
    this.#text = ''
    this.#whole = -1
    this.#sentAt = performance.now()
    this.#socket.write(bytes)
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(text: string): void {
    this.#text += text
    if (this.#whole === -1) {
      const end = this.#text.indexOf('\r\n\r\n')
      if (end === -1) return
      const length = /content-length: *(\d+)/i.exec(this.#text.slice(0, end))?.[1]
      if (!this.#text.startsWith('HTTP/1.1 200') || length === undefined) {
        this.#socket.destroy(new Error(`no answer of known length: ${this.#text.slice(0, 80)}`))
        return
      }
      this.#whole = end + 4 + Number(length)
    }
    if (this.#text.length >= this.#whole) this.#answered?.(performance.now() - this.#sentAt, this)
  }
}
