/**
 * How many distinct names, in one fixed bitmap: linear counting (Whang, Vander-Zanden, Taylor, "A linear-time
 * probabilistic counting algorithm for database applications", 1990). Off by about one in the hundreds for bitmaps
 * with several bits per name.
 */
const WORD_BITS = 32

/** FNV-1a (Fowler, Noll, Vo), finished as in MurmurHash3, so that the low bits are good. */
export function hashOf(name: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** Marks a name in `words` words that begin at `from`. */
export function markName(cells: Uint32Array, from: number, words: number, hash: number): void {
  const bit = hash % (words * WORD_BITS)
  cells[from + (bit >>> 5)]! |= 1 << (bit & 31)
}

/** Names marked in a bitmap; its whole length in bits when it is full. */
export function namesIn(cells: ArrayLike<number>): number {
  const bits = cells.length * WORD_BITS
  let set = 0
  for (let word = 0; word < cells.length; word++) set += onesOf(cells[word]!)
  if (set === 0) return 0
  return set >= bits ? bits : Math.round(-bits * Math.log(1 - set / bits))
}

function onesOf(word: number): number {
  let left = word - ((word >>> 1) & 0x55555555)
  left = (left & 0x33333333) + ((left >>> 2) & 0x33333333)
  return Math.imul((left + (left >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}
