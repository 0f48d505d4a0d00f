/**
 * Distinct agents across replicas: the k smallest hashes of a set (bottom-k; Bar-Yossef et al. 2002, Beyer et al. 2007).
 * Exact while there are at most k; the union of two sketches is the sketch of the union, so an agent that calls through
 * several replicas counts once. With k = 16 the estimate beyond is good to about a quarter, where breadth is no question
 * any more. A HyperLogLog of the same 64 bytes is not exact at three, where a storm begins.
 */

export const SKETCH_SIZE = 16

/** FNV-1a, 32 bit: the same on every replica, and no secret. Never 0. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index++) {
    hash ^= name.charCodeAt(index)
    hash = Math.imul(hash, 0x01000193)
  }
  // FNV's high bits hardly move with the last characters.
  return finished(hash) || 1
}

/**
 * The same with 53 bits, for names whose numbers are added up: among 64,000 that a thousand replicas tell, one of the
 * own 64 has a double with a chance of 1 in 10^9. Never 0.
 */
export function hashId(name: string): number {
  // Beside FNV: one-at-a-time (Jenkins 1997), which carries high bits down as well.
  let hash = 0
  for (let index = 0; index < name.length; index++) {
    hash += name.charCodeAt(index)
    hash += hash << 10
    hash ^= hash >>> 6
  }
  return (finished(hash) >>> 11) * 2 ** 32 + hashName(name)
}

/** The finaliser of MurmurHash3: every bit of the outcome depends on every bit of `hash`. */
function finished(hash: number): number {
  let mixed = hash
  mixed ^= mixed >>> 16
  mixed = Math.imul(mixed, 0x85ebca6b)
  mixed ^= mixed >>> 13
  mixed = Math.imul(mixed, 0xc2b2ae35)
  mixed ^= mixed >>> 16
  return mixed >>> 0
}

/** Keeps the smallest `SKETCH_SIZE` of what it is given, in order and once each. */
export function keepSmallest(sketch: number[], hash: number): void {
  let at = sketch.length
  while (at > 0 && sketch[at - 1]! > hash) at -= 1
  if (sketch[at - 1] === hash || at >= SKETCH_SIZE) return
  sketch.splice(at, 0, hash)
  if (sketch.length > SKETCH_SIZE) sketch.length = SKETCH_SIZE
}

export function union(sketches: readonly (readonly number[])[]): number[] {
  const all: number[] = []
  for (const sketch of sketches) for (const hash of sketch) keepSmallest(all, hash)
  return all
}

/** How many distinct agents a sketch stands for; exact below `SKETCH_SIZE`. */
export function distinct(sketch: readonly number[]): number {
  if (sketch.length < SKETCH_SIZE) return sketch.length
  return Math.round(((SKETCH_SIZE - 1) * 2 ** 32) / sketch[SKETCH_SIZE - 1]!)
}
