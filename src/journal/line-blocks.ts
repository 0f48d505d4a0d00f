/**
 * A file as blocks of whole lines, read ahead by nothing and kept by nobody: memory is one chunk and one line.
 * Files that end in `.gz` are unpacked on the way.
 */
import { createReadStream } from 'node:fs'
import type { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'

/** Some hundred lines; of larger blocks the parsed lines outlive the young generation, and cost a fifth more. */
const CHUNK_BYTES = 1 << 16
/** A line of Weir's is below 100 KB; without an end in 8 MiB it is none. */
export const LONGEST_LINE = 8 << 20

const NEWLINE = 10

export interface LineBlock {
  /** Whole lines, the last one with its end unless `isTorn`. Valid until the next block is asked for. */
  readonly bytes: Buffer
  /** The file ended without an end of line: this last line may be cut. */
  readonly isTorn: boolean
}

/** A line that has no end in `LONGEST_LINE` bytes. */
export class EndlessLine extends Error {}

/**
 * @param counted bytes read from disk so far, packed if it is packed
 * @throws what reading throws, such as ENOENT, and what unpacking throws; `EndlessLine`
 */
export async function* lineBlocks(file: string, counted: (bytes: number) => void): AsyncGenerator<LineBlock> {
  const disk = createReadStream(file, { highWaterMark: CHUNK_BYTES })
  disk.on('data', () => counted(disk.bytesRead))
  let rest: Buffer[] = []
  let restBytes = 0
  const chunks = file.endsWith('.gz') ? unpacked(disk) : disk
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf(NEWLINE) + 1
    if (end === 0) {
      rest.push(chunk)
      restBytes += chunk.length
      if (restBytes > LONGEST_LINE) throw new EndlessLine()
      continue
    }
    const whole = chunk.subarray(0, end)
    yield { bytes: restBytes === 0 ? whole : Buffer.concat([...rest, whole]), isTorn: false }
    rest = end === chunk.length ? [] : [chunk.subarray(end)]
    restBytes = chunk.length - end
  }
  if (restBytes > 0) yield { bytes: Buffer.concat(rest), isTorn: true }
}

function unpacked(disk: Readable): Readable {
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES })
  disk.on('error', (error) => gunzip.destroy(error))
  gunzip.on('close', () => disk.destroy())
  return disk.pipe(gunzip)
}
