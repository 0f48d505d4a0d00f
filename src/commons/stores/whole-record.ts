/**
 * A record with a checksum before it: LMDB has none, and what a disk changed must not be acted on. CRC-32 is for
 * accidents (RFC 1952, 8); whoever can write into the files needs no accident.
 */
import { crc32 } from 'node:zlib'

const SUM_BYTES = 4

/** @param place where it is kept: the same bytes at another place are not whole @param head one line */
export function packRecord(place: string, head: string, value: string): Buffer {
  const body = Buffer.from(`${head}\n${value}`, 'utf8')
  const packed = Buffer.allocUnsafe(SUM_BYTES + body.length)
  packed.writeUInt32BE(crc32(body, crc32(place)), 0)
  body.copy(packed, SUM_BYTES)
  return packed
}

/** Undefined = it is not what was written. */
export function unpackRecord(
  place: string,
  packed: Buffer,
): { readonly head: string; readonly value: string } | undefined {
  if (packed.length <= SUM_BYTES) return undefined
  const body = packed.subarray(SUM_BYTES)
  if (crc32(body, crc32(place)) !== packed.readUInt32BE(0)) return undefined
  const text = body.toString('utf8')
  const line = text.indexOf('\n')
  return { head: text.slice(0, line), value: text.slice(line + 1) }
}
