/** Whole numbers in as few bytes as they need: seven bits to a byte, the lowest first (LEB128, as in Protocol Buffers). */

/** Reads a word after its first byte. Whatever the bytes are, it neither throws nor takes long: `good` turns false. */
export class WordReader {
  good = true
  readonly #bytes: Uint8Array
  #at = 1

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  /** At most 2^53 - 1; bad bytes make it 0 and the reader not good. */
  varint(): number {
    let value = 0
    let unit = 1
    for (let length = 0; length < 8; length++) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * unit
      if (byte < 0x80) return Number.isSafeInteger(value) ? value : this.#bad()
      unit *= 128
    }
    return this.#bad()
  }

  /** @param longest more than so many numbers are no list */
  list(longest: number): number[] {
    const length = this.varint()
    const end = this.#at + length
    const values: number[] = []
    if (length > this.left) this.#bad()
    while (this.good && this.#at < end && values.length < longest) values.push(this.varint())
    if (this.#at !== end) this.#bad()
    return values
  }

  #bad(): number {
    this.good = false
    return 0
  }
}

export function writeVarint(bytes: number[], value: number): void {
  let left = value
  while (left >= 128) {
    bytes.push((left % 128) + 128)
    left = Math.floor(left / 128)
  }
  bytes.push(left)
}
