/**
 * Lines to disk, behind the back of the calls: `write` only copies a line into a block of memory, and blocks go out as
 * they are full, or some times a second. Memory is bounded: when the disk is slower than the lines, or refuses them,
 * lines are dropped and counted, and a `gap` line says so as soon as there is room again.
 *
 * Not `sonic-boom`, which pino uses: its `reopen` moves the file between any two writes, and a part must begin with
 * its header, end with a whole line and keep to its size; after an error it holds on to half a line.
 *
 * A crash of the process costs the lines of the last `FLUSH_MS`; nothing is fsynced, so a crash of the machine may
 * cost some seconds more. A line that was cut short by it is the last of its part.
 */
import type { Millis } from '../core/model.ts'
import type { GapLine } from './line.ts'
import { PartWriter, TornPart, type PartWriterOptions } from './part-writer.ts'

/** Lines wait for others at most so long, or until a block of them is full. */
const FLUSH_MS: Millis = 200
const BLOCK_BYTES = 1 << 18
/** In memory at most: some 14,000 calls. */
const BUFFER_BYTES = 8 << 20
/** After a refusal the disk is tried again, at first soon. */
const RETRY_FROM_MS: Millis = 500
const RETRY_MAX_MS: Millis = 10_000
/** What is left is tried for so long when the process ends. */
const CLOSE_WITHIN_MS: Millis = 2000
const NEWLINE = 0x0a

export interface WriterOptions extends PartWriterOptions {
  /** The disk refused; called at every try, so limit what is made of it. */
  readonly onTrouble: (error: unknown, dropped: number) => void
  /** It takes lines again. */
  readonly onRecovered?: (dropped: number) => void
  readonly bufferBytes?: number
  readonly retryFromMs?: Millis
}

export interface WriterStats {
  /** Lines on disk, headers apart. */
  lines: number
  /** Lines that never got there. */
  dropped: number
}

/** Whole lines that wait. */
interface Block {
  readonly bytes: Buffer
  length: number
  lines: number
}

export class JournalWriter {
  readonly stats: WriterStats = { lines: 0, dropped: 0 }
  readonly #options: WriterOptions
  readonly #parts: PartWriter
  readonly #bufferBytes: number
  readonly #retryFromMs: Millis
  /** The oldest first; the last one is being filled. */
  readonly #blocks: Block[] = []
  /** Of a block that is written, for the next one. */
  #spare: Buffer | undefined
  #pendingBytes = 0
  /** Lines dropped that no gap line has told of. */
  #untold = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  /** 0 = the disk takes lines. */
  #retryMs: Millis = 0
  #isClosed = false

  constructor(options: WriterOptions) {
    this.#options = options
    this.#parts = new PartWriter(options, (lines) => {
      this.stats.lines -= lines
      this.#drop(lines)
    })
    this.#bufferBytes = options.bufferBytes ?? BUFFER_BYTES
    this.#retryFromMs = options.retryFromMs ?? RETRY_FROM_MS
  }

  /** Takes one line, the first `length` bytes, without its end. Never throws, never waits. */
  readonly write = (line: Buffer, length: number): void => {
    if (this.#isClosed || this.#pendingBytes + length >= this.#bufferBytes) {
      this.#drop(1)
      return
    }
    const block = this.#room(length + 1)
    line.copy(block.bytes, block.length, 0, length)
    block.bytes[block.length + length] = NEWLINE
    block.length += length + 1
    block.lines += 1
    this.#pendingBytes += length + 1
    if (this.#writing !== undefined || this.#retryMs > 0) return
    if (this.#blocks.length > 1) this.#start()
    else this.#timer ??= this.#after(FLUSH_MS)
  }

  /** Opens the first part, so that a directory that cannot be written is known at once. @throws as the store does */
  async open(): Promise<void> {
    await this.#parts.open()
  }

  /** Writes what is left, for a bounded time; lines that come later are dropped. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    let giveUp: NodeJS.Timeout | undefined
    const bound = new Promise<void>((resolve) => (giveUp = setTimeout(resolve, CLOSE_WITHIN_MS)))
    await Promise.race([this.#finish(), bound])
    clearTimeout(giveUp)
  }

  async #finish(): Promise<void> {
    await this.#writing
    // Once more, whatever the disk said last.
    do await this.#flush()
    while (this.#retryMs === 0 && this.#blocks.length > 0)
    for (const block of this.#blocks.splice(0)) this.#giveUp(block)
    await this.#parts.close()
  }

  /** The block that has room for so many bytes. */
  #room(bytes: number): Block {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.length + bytes <= last.bytes.length) return last
    const spare = bytes <= BLOCK_BYTES ? this.#spare : undefined
    if (spare !== undefined) this.#spare = undefined
    const memory = spare ?? Buffer.allocUnsafeSlow(Math.max(BLOCK_BYTES, bytes))
    const block: Block = { bytes: memory, length: 0, lines: 0 }
    this.#blocks.push(block)
    return block
  }

  #after(ms: Millis): NodeJS.Timeout {
    return setTimeout(() => this.#start(), ms).unref()
  }

  #start(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing ??= this.#pump()
  }

  async #pump(): Promise<void> {
    do await this.#flush()
    while (this.#retryMs === 0 && this.#blocks.length > 1)
    this.#writing = undefined
    if (this.#isClosed) return
    if (this.#retryMs > 0) this.#timer = this.#after(this.#retryMs)
    else if (this.#blocks.length > 0) this.#timer = this.#after(FLUSH_MS)
  }

  /** One block. What the disk refuses stays in memory, before whatever came meanwhile. Never throws. */
  async #flush(): Promise<void> {
    const { onTrouble, onRecovered } = this.#options
    const block = this.#blocks.shift()
    const untold = this.#untold
    if (block === undefined && untold === 0) return
    try {
      const gap = untold === 0 ? [] : [this.#gap(untold)]
      const lines = block === undefined ? [] : [block.bytes.subarray(0, block.length)]
      await this.#parts.append([...gap, ...lines], block?.lines ?? 0)
    } catch (error) {
      const isTorn = error instanceof TornPart
      if (block !== undefined && !isTorn) this.#blocks.unshift(block)
      // Some of its lines may lie there: a second time they would be calls that never were.
      if (block !== undefined && isTorn) this.#giveUp(block)
      this.#retryMs = Math.min(RETRY_MAX_MS, Math.max(this.#retryFromMs, this.#retryMs * 2))
      onTrouble(isTorn ? error.cause : error, this.stats.dropped)
      return
    }
    this.#untold -= untold
    if (block !== undefined) {
      this.#pendingBytes -= block.length
      this.stats.lines += block.lines
      if (block.bytes.length === BLOCK_BYTES) this.#spare = block.bytes
    }
    if (this.#retryMs > 0) onRecovered?.(this.stats.dropped)
    this.#retryMs = 0
  }

  #giveUp(block: Block): void {
    this.#pendingBytes -= block.length
    this.#drop(block.lines)
  }

  #drop(lines: number): void {
    this.stats.dropped += lines
    this.#untold += lines
  }

  #gap(dropped: number): Buffer {
    const line: GapLine = { kind: 'gap', at: Math.round(this.#options.clock() * 1000) / 1000, dropped }
    return Buffer.from(`${JSON.stringify(line)}\n`, 'utf8')
  }
}
