/** Two ends of a connection without a kernel between them: a hundred thousand of them a minute cost nothing but memory. */
import { Duplex } from 'node:stream'

export class MemorySocket extends Duplex {
  peer: MemorySocket | undefined
  bytesRead = 0
  readonly remoteAddress = '127.0.0.1'
  #taken: (() => void) | undefined

  static pair(): readonly [MemorySocket, MemorySocket] {
    const ends = [new MemorySocket(), new MemorySocket()] as const
    ends[0].peer = ends[1]
    ends[1].peer = ends[0]
    return ends
  }

  override _read(): void {
    const taken = this.#taken
    this.#taken = undefined
    taken?.()
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const { peer } = this
    if (peer === undefined || peer.destroyed) {
      done()
      return
    }
    peer.bytesRead += chunk.length
    if (peer.push(chunk)) done()
    else peer.#taken = done
  }

  override _final(done: () => void): void {
    this.peer?.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { peer } = this
    this.peer = undefined
    if (peer !== undefined && !peer.destroyed) setImmediate(() => peer.destroy())
    done(error)
  }

  // What node:http asks of a socket besides.
  setTimeout(): this {
    return this
  }

  resetAndDestroy(): this {
    return this.destroy()
  }
}
