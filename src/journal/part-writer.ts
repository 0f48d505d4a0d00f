/**
 * Whole blocks of lines into parts: each begins with its header, keeps to its size, and ends with a whole line,
 * whatever the disk says in between.
 */
import type { Millis } from '../core/model.ts'
import type { PartFile, PartStore } from './part-store.ts'

/** How often a part is looked at that somebody may have removed. */
const LOOK_EVERY_MS: Millis = 1000

export interface PartWriterOptions {
  readonly store: PartStore
  /** The first line of a part, without its end. */
  readonly header: (part: number) => string
  readonly maxFileBytes: number
  readonly maxTotalBytes: number
  /** Instants of the run. */
  readonly clock: () => Millis
}

/** A part on disk, up to its last whole line. */
interface OpenPart {
  readonly file: PartFile
  bytes: number
  /** Lines written since it was last seen to be in its place. */
  unseenLines: number
  lookedAt: Millis
}

export class PartWriter {
  readonly #options: PartWriterOptions
  readonly #onLost: (lines: number) => void
  #part: OpenPart | undefined
  #partNumber = 0

  /** @param onLost told of lines that were written to a part that somebody removed */
  constructor(options: PartWriterOptions, onLost: (lines: number) => void) {
    this.#options = options
    this.#onLost = onLost
  }

  /** Begins the first part. @throws what the store says */
  async open(): Promise<void> {
    await this.#nextPart()
  }

  /** Never throws. */
  async close(): Promise<void> {
    await this.#part?.file.close().catch(() => {})
    this.#part = undefined
  }

  /** All of `pieces` at the end of a part, or none of them. @throws what the disk says; `TornPart` */
  async append(pieces: readonly Buffer[], lines: number): Promise<void> {
    await this.#lookForPart()
    const bytes = pieces.reduce((sum, piece) => sum + piece.length, 0)
    const isFull = this.#part !== undefined && this.#part.bytes + bytes > this.#options.maxFileBytes
    if (isFull) await this.close()
    const part = this.#part ?? (await this.#nextPart())
    try {
      for (const piece of pieces) await writeAll(part.file, piece)
    } catch (error) {
      // The part ends with its last whole line again, and goes on from there when the disk does.
      const isWhole = await part.file.truncate(part.bytes).then(
        () => true,
        () => false,
      )
      if (isWhole) throw error
      await this.close()
      throw new TornPart(error)
    }
    part.bytes += bytes
    part.unseenLines += lines
  }

  /** Somebody may have removed the file: writing to it would go on, and be lost. */
  async #lookForPart(): Promise<void> {
    const part = this.#part
    const now = this.#options.clock()
    if (part === undefined || now - part.lookedAt < LOOK_EVERY_MS) return
    const isThere = await part.file.stat().then(
      ({ nlink }) => nlink > 0,
      () => false,
    )
    part.lookedAt = now
    if (isThere) {
      part.unseenLines = 0
      return
    }
    this.#onLost(part.unseenLines)
    await this.close()
  }

  async #nextPart(): Promise<OpenPart> {
    const { store, header, maxFileBytes, maxTotalBytes, clock } = this.#options
    await store.shrink(maxTotalBytes - maxFileBytes)
    const number = this.#partNumber + 1
    const file = await store.create(number)
    const bytes = Buffer.from(`${header(number)}\n`, 'utf8')
    try {
      await writeAll(file, bytes)
    } catch (error) {
      await file.close().catch(() => {})
      await store.remove(number).catch(() => {})
      throw error
    }
    this.#partNumber = number
    this.#part = { file, bytes: bytes.length, unseenLines: 0, lookedAt: clock() }
    return this.#part
  }
}

/** A part that could not be brought back to its last whole line. */
export class TornPart extends Error {
  constructor(cause: unknown) {
    super('the part is torn', { cause })
  }
}

async function writeAll(file: PartFile, bytes: Buffer): Promise<void> {
  let rest = bytes
  while (rest.length > 0) {
    const { bytesWritten } = await file.write(rest)
    rest = rest.subarray(bytesWritten)
  }
}
