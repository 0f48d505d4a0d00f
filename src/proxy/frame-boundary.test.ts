import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { CLOSE_TO_CLIENT, CLOSE_TO_SERVER, FrameBoundary } from './frame-boundary.ts'

function frame(payloadBytes: number, isMasked: boolean): Uint8Array {
  const mask = isMasked ? 0x80 : 0
  const header =
    payloadBytes < 126
      ? [0x82, mask | payloadBytes]
      : payloadBytes < 65_536
        ? [0x82, mask | 126, payloadBytes >> 8, payloadBytes & 0xff]
        : [
            0x82,
            mask | 127,
            0,
            0,
            0,
            0,
            0,
            payloadBytes >> 16,
            (payloadBytes >> 8) & 0xff,
            payloadBytes & 0xff,
          ]
  const bytes = Uint8Array.from([...header, ...(isMasked ? [1, 2, 3, 4] : [])])
  return Buffer.concat([bytes, Buffer.alloc(payloadBytes, 0x81)])
}

test('wherever a stream is cut, the tracker is between frames exactly at their ends', () => {
  const sizes = fc.oneof(fc.nat(130), fc.constantFrom(125, 126, 127, 65_535, 65_536, 70_000))
  fc.assert(
    fc.property(
      fc.array(fc.tuple(sizes, fc.boolean()), { minLength: 1, maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 30 }),
      (frames, cuts) => {
        const parts = frames.map(([bytes, isMasked]) => frame(bytes, isMasked))
        const ends = new Set<number>([0])
        let length = 0
        for (const part of parts) ends.add((length += part.length))
        const stream = Buffer.concat(parts)
        const tracker = new FrameBoundary()
        let at = 0
        for (let n = 0; at < stream.length; n++) {
          const next = Math.min(stream.length, at + cuts[n % cuts.length]!)
          tracker.read(stream.subarray(at, next))
          at = next
          expect(tracker.isBetweenFrames).toBe(ends.has(at))
        }
      },
    ),
    { numRuns: 60 },
  )
})

test('the close frames are whole frames of their own', () => {
  for (const bytes of [CLOSE_TO_CLIENT, CLOSE_TO_SERVER]) {
    const tracker = new FrameBoundary()
    tracker.read(bytes)
    expect(tracker.isBetweenFrames).toBe(true)
  }
})
