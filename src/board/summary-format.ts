/**
 * A word on the board: a version, a sequence number, and fields that carry their own number and length. A reader skips
 * fields that it does not know and takes 0 for those that are missing, so two releases of Weir can share a board; a
 * change that an old reader would misunderstand raises `FORMAT`, and other formats are left alone.
 *
 *   word   := format:byte  sequence:varint  field*
 *   field  := (number << 1 | isList):varint  value      value := zigzag varint | byteLength:varint  varint*
 *
 * Numbers are whole, fractions in units of the table's scale. Zeros and empty lists are left out: a quiet upstream takes
 * about 60 bytes.
 */
import type { UpstreamSummary } from '../core/fleet.ts'
import type { WordFormat } from './word-format.ts'
import { WordReader, writeVarint } from './word-bytes.ts'

const FORMAT = 1
/** No honest word is longer; what claims to be is not read. */
export const LONGEST_WORD = 2048
const LONGEST_LIST = 256

type Lists = 'retrying' | 'active' | 'factors' | 'blocked' | 'demands'
type Numbers = Exclude<keyof UpstreamSummary, Lists>

/** Field numbers are for ever: a field that goes leaves a gap. */
const NUMBERS: Readonly<Record<Numbers, readonly [number: number, scale: number]>> = {
  condition: [1, 1],
  phase: [2, 1],
  inFlight: [3, 1],
  held: [4, 1],
  critical: [5, 1],
  overdue: [6, 1],
  rate: [8, 64],
  healthyRate: [9, 64],
  allowance: [10, 1],
  scored: [11, 1],
  scores: [12, 64],
  effects: [13, 64],
  outcomes: [14, 1],
  failures: [15, 2],
  failuresInRow: [16, 1],
  attempts: [17, 1],
  retries: [18, 16],
  failed: [19, 1],
  recentAttempts: [20, 1],
  recentRetries: [21, 16],
  ordinary: [22, 64],
  ordinaryShare: [23, 1024],
  heaviest: [24, 1],
  heaviestRetries: [25, 16],
  aborts: [26, 1],
  epoch: [27, 1],
  version: [28, 1],
  total: [29, 1],
  fraction: [30, 128],
  round: [31, 1],
  heardEpoch: [32, 1],
  heardVersion: [33, 1],
  samples: [34, 1],
  losses: [35, 1],
  heardFraction: [36, 128],
  fine: [37, 1],
  late: [38, 1],
  learned: [39, 1],
}

const LISTS: Readonly<Record<Lists, number>> = {
  retrying: 64,
  active: 65,
  factors: 66,
  blocked: 67,
  demands: 68,
}

const NUMBER_FIELDS = entries(NUMBERS).map(([key, [number, scale]]) => ({ key, number, scale }))
const NUMBER_BY_TAG = new Map(NUMBER_FIELDS.map((field) => [field.number, field]))
const LIST_BY_TAG = new Map(entries(LISTS).map(([key, number]) => [number, key]))

export function writeSummary(summary: UpstreamSummary, sequence: number): Uint8Array {
  const bytes: number[] = [FORMAT]
  writeVarint(bytes, sequence)
  for (const { key, number, scale } of NUMBER_FIELDS) {
    const value = Math.round(summary[key] * scale)
    if (value === 0 || !Number.isSafeInteger(value)) continue
    writeVarint(bytes, number * 2)
    writeVarint(bytes, value < 0 ? -2 * value - 1 : 2 * value)
  }
  for (const [key, number] of entries(LISTS)) {
    const list = summary[key].slice(0, LONGEST_LIST)
    if (list.length === 0) continue
    const inner: number[] = []
    for (const value of list) writeVarint(inner, value)
    writeVarint(bytes, number * 2 + 1)
    writeVarint(bytes, inner.length)
    for (const byte of inner) bytes.push(byte)
  }
  return Uint8Array.from(bytes)
}

/** Undefined = another format, or no word at all. Whatever the bytes are, it neither throws nor takes long. */
export function readSummary(
  word: Uint8Array,
): { readonly sequence: number; readonly summary: UpstreamSummary } | undefined {
  if (word.length > LONGEST_WORD || word[0] !== FORMAT) return undefined
  const reader = new WordReader(word)
  const sequence = reader.varint()
  const numbers: Partial<Record<Numbers, number>> = {}
  const lists: Partial<Record<Lists, number[]>> = {}
  while (reader.left > 0 && reader.good) {
    const tag = reader.varint()
    const number = Math.floor(tag / 2)
    if (tag % 2 === 0) {
      const raw = reader.varint()
      const field = NUMBER_BY_TAG.get(number)
      if (field !== undefined) numbers[field.key] = (raw % 2 === 1 ? -(raw + 1) / 2 : raw / 2) / field.scale
    } else {
      const list = reader.list(LONGEST_LIST)
      const key = LIST_BY_TAG.get(number)
      if (key !== undefined) lists[key] = list
    }
  }
  return reader.good ? { sequence, summary: { ...EMPTY, ...numbers, ...lists } } : undefined
}

/** The number of a word, without the rest; -1 = another format. */
function sequenceOf(word: Uint8Array): number {
  return word[0] === FORMAT ? new WordReader(word).varint() : -1
}

export const SUMMARY_WORDS: WordFormat<UpstreamSummary> = {
  write: writeSummary,
  read: readSummary,
  sequenceOf,
}

function emptySummary(): UpstreamSummary {
  const numbers = Object.fromEntries(NUMBER_FIELDS.map(({ key }) => [key, 0]))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table above has every field, by its type
  return {
    ...numbers,
    retrying: [],
    active: [],
    factors: [],
    blocked: [],
    demands: [],
  } as unknown as UpstreamSummary
}

const EMPTY = emptySummary()

function entries<K extends string, V>(record: Readonly<Record<K, V>>): [K, V][] {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.entries forgets the keys' type
  return Object.entries(record) as [K, V][]
}
