/**
 * Random UUIDs (RFC 9562, version 4) as flat strings of 36 characters. Those of `randomUUID` are trees of the pieces that
 * they were made of: 450 bytes more for as long as a call waits.
 */
import { randomFillSync } from 'node:crypto'

const UUID_BYTES = 16
/** Random bytes are drawn for so many at once, as Node does for its own. */
const DRAWN = 128
const HEX = Buffer.from('0123456789abcdef', 'latin1')
const DASH = 0x2d
/** Offsets of bytes that come right behind a dash. */
const BEHIND_DASH: ReadonlySet<number> = new Set([4, 6, 8, 10])

const random = Buffer.alloc(UUID_BYTES * DRAWN)
const text = Buffer.alloc(36)
let used = random.length

/** The next one. */
export function newCallId(): string {
  if (used === random.length) {
    randomFillSync(random)
    used = 0
  }
  let at = 0
  for (let index = 0; index < UUID_BYTES; index++) {
    if (BEHIND_DASH.has(index)) text[at++] = DASH
    let byte = random[used + index]!
    if (index === 6) byte = (byte & 0x0f) | 0x40
    else if (index === 8) byte = (byte & 0x3f) | 0x80
    text[at++] = HEX[byte >> 4]!
    text[at++] = HEX[byte & 0x0f]!
  }
  // What was given out is not kept.
  random.fill(0, used, used + UUID_BYTES)
  used += UUID_BYTES
  return text.toString('latin1')
}
