/**
 * A TCP proxy that misbehaves on purpose, each way by itself: the toxics of toxiproxy (latency, bandwidth, slicer,
 * slow_close, limit_data, reset_peer, timeout), and a door that is shut. What is set acts from the next bytes on, on
 * connections that are open as well; what is withheld is delivered when the fault is healed, as TCP would.
 */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { seeded, type Random } from '../../../src/core/random.ts'

/** Faults of one direction. Absent = none. */
export interface Faults {
  /** Each piece is late by as much, and up to `jitterMs` more. */
  latencyMs?: number
  jitterMs?: number
  /** The wire carries no more than this. */
  bytesPerSecond?: number
  /** Pieces of at most so many bytes, `sliceGapMs` apart. */
  sliceBytes?: number
  sliceGapMs?: number
  /** The end of the stream is told so much later. */
  closeDelayMs?: number
  /** After so many bytes of a connection it is closed, as if that were all. */
  limitBytes?: number
  /** After so many bytes of a connection both its ends get a real RST. */
  resetAfterBytes?: number
  /** Nothing passes, and nobody is told. */
  blackhole?: boolean
}

export type Direction = 'up' | 'down'

/** How often a withheld piece looks whether the fault is healed. */
const LOOK_EVERY_MS = 10
/** A source is read no further while so much waits. */
const WAITING_BYTES = 256 * 1024

export class FaultProxy {
  readonly #server: Server
  readonly #links = new Set<Link>()
  readonly #random: Random
  readonly #faults: Record<Direction, Faults> = { up: {}, down: {} }
  /** New connections are accepted and reset at once. */
  isShut = false
  /** All connections that were ever opened. */
  accepted = 0

  private constructor(port: number, seed: number) {
    this.#random = seeded(seed)
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
      this.accepted += 1
      client.on('error', ignore)
      if (this.isShut) {
        client.resetAndDestroy()
        return
      }
      const link = new Link(client, port, this.#faults, this.#random)
      this.#links.add(link)
      link.onEnd = () => this.#links.delete(link)
    })
  }

  /** @param port of the server on loopback that is behind it */
  static async start(port: number, seed = 1): Promise<FaultProxy> {
    const proxy = new FaultProxy(port, seed)
    await new Promise<void>((resolve) => {
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): URL {
    return new URL(`http://127.0.0.1:${this.port}`)
  }

  get connections(): number {
    return this.#links.size
  }

  /** Replaces the faults of one direction: `up` to the server, `down` to the client. */
  set(direction: Direction, faults: Faults): this {
    this.#faults[direction] = faults
    return this
  }

  heal(): void {
    this.#faults.up = {}
    this.#faults.down = {}
    this.isShut = false
  }

  /** A real RST on every open connection, both ways. */
  reset(): void {
    for (const link of this.#links) link.reset()
  }

  async close(): Promise<void> {
    for (const link of this.#links) link.reset()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}

class Link {
  readonly #client: Socket
  readonly #server: Socket
  #isEnded = false
  onEnd = (): void => {}

  constructor(client: Socket, port: number, faults: Readonly<Record<Direction, Faults>>, random: Random) {
    this.#client = client
    this.#server = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    void pump(client, this.#server, () => faults.up, random, this)
    void pump(this.#server, client, () => faults.down, random, this)
    for (const socket of [client, this.#server]) {
      socket.on('error', () => this.reset())
      socket.once('close', () => this.#closed())
    }
  }

  reset(): void {
    for (const socket of [this.#client, this.#server]) if (!socket.destroyed) socket.resetAndDestroy()
  }

  #closed(): void {
    if (this.#isEnded || !this.#client.destroyed || !this.#server.destroyed) return
    this.#isEnded = true
    this.onEnd()
  }
}

/** Carries one direction to its end, piece by piece, under whatever faults are set at each piece. */
async function pump(
  from: Socket,
  to: Socket,
  faults: () => Faults,
  random: Random,
  link: Link,
): Promise<void> {
  const waiting: { readonly bytes: Buffer; readonly at: number }[] = []
  let waitingBytes = 0
  let isOver = false
  let wake = ignore
  from.on('data', (bytes: Buffer) => {
    waiting.push({ bytes, at: performance.now() })
    waitingBytes += bytes.length
    if (waitingBytes > WAITING_BYTES) from.pause()
    wake()
  })
  const over = (): void => {
    isOver = true
    wake()
  }
  from.on('end', over)
  from.on('close', over)
  let passed = 0
  while (!to.destroyed) {
    const piece = waiting.shift()
    if (piece === undefined) {
      if (isOver) break
      await new Promise<void>((resolve) => (wake = resolve))
      continue
    }
    const { latencyMs = 0, jitterMs = 0 } = faults()
    const dueAt = piece.at + latencyMs + jitterMs * random()
    await pause(dueAt - performance.now())
    for (const part of parts(piece.bytes, faults())) {
      while (faults().blackhole === true && !to.destroyed) await pause(LOOK_EVERY_MS)
      const { bytesPerSecond, sliceGapMs = 0, limitBytes = Infinity, resetAfterBytes = Infinity } = faults()
      if (bytesPerSecond !== undefined) await pause((1000 * part.length) / bytesPerSecond)
      const room = Math.min(limitBytes, resetAfterBytes) - passed
      const allowed = part.length > room ? part.subarray(0, Math.max(0, room)) : part
      if (allowed.length > 0 && !to.destroyed) await written(to, allowed)
      passed += allowed.length
      if (allowed.length < part.length) {
        // What was written has to be on its way before the reset overtakes it.
        if (resetAfterBytes <= limitBytes) {
          await pause(LOOK_EVERY_MS)
          link.reset()
        } else {
          to.end()
          from.destroy()
        }
        return
      }
      await pause(sliceGapMs)
    }
    waitingBytes -= piece.bytes.length
    if (waitingBytes <= WAITING_BYTES) from.resume()
  }
  const { closeDelayMs = 0 } = faults()
  await pause(closeDelayMs)
  while (faults().blackhole === true && !to.destroyed) await pause(LOOK_EVERY_MS)
  if (from.readableEnded && !to.destroyed) to.end()
  else if (from.destroyed) to.destroy()
}

function parts(bytes: Buffer, { sliceBytes, bytesPerSecond }: Faults): Buffer[] {
  // A slow wire delivers as it goes, not in one piece after a long wait.
  const most = Math.min(sliceBytes ?? Infinity, Math.max(1, Math.floor((bytesPerSecond ?? Infinity) / 20)))
  if (bytes.length <= most) return [bytes]
  return Array.from({ length: Math.ceil(bytes.length / most) }, (_, n) =>
    bytes.subarray(n * most, (n + 1) * most),
  )
}

async function written(to: Socket, bytes: Buffer): Promise<void> {
  if (to.write(bytes)) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      to.off('drain', done)
      to.off('close', done)
      resolve()
    }
    to.once('drain', done)
    to.once('close', done)
  })
}

async function pause(ms: number): Promise<void> {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms))
}

function ignore(): void {}
