/**
 * Where one WebSocket frame ends and the next begins in a stream of bytes (RFC 6455 5.2). Only lengths are read:
 * a close frame of ours may go out between two frames, and never inside one.
 */
export class FrameBoundary {
  /** Header bytes of the frame in progress, as far as they are here. */
  readonly #header = new Uint8Array(14)
  #have = 0
  /** Payload bytes still to come. */
  #left = 0

  /** Nothing of a frame is in progress. */
  get isBetweenFrames(): boolean {
    return this.#have === 0 && this.#left === 0
  }

  read(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.length - at)
        this.#left -= taken
        at += taken
        continue
      }
      this.#header[this.#have] = chunk[at]!
      this.#have += 1
      at += 1
      if (this.#have >= 2 && this.#have === this.#headerLength()) {
        this.#left = this.#payloadLength()
        this.#have = 0
      }
    }
  }

  #headerLength(): number {
    const second = this.#header[1]!
    const short = second & 0x7f
    return 2 + (short === 126 ? 2 : short === 127 ? 8 : 0) + ((second & 0x80) === 0 ? 0 : 4)
  }

  #payloadLength(): number {
    const header = this.#header
    const short = header[1]! & 0x7f
    if (short < 126) return short
    const bytes = short === 126 ? 2 : 8
    let length = 0
    for (let index = 0; index < bytes; index++) length = length * 256 + header[2 + index]!
    return length
  }
}

/** Status 1001, "going away" (RFC 6455 7.4.1), to a client. */
export const CLOSE_TO_CLIENT = Uint8Array.of(0x88, 0x02, 0x03, 0xe9)
/** The same to a server: masked, as 5.3 demands, with a key of zeros (there is nothing to hide). */
export const CLOSE_TO_SERVER = Uint8Array.of(0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9)
