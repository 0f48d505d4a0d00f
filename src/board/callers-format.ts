/**
 * A word on callers: as `summary-format.ts`, with lists alone, and a format byte of its own, so that neither is ever taken
 * for the other.
 *
 *   word   := format:byte  sequence:varint  field*
 *   field  := (number << 1 | 1):varint  byteLength:varint  varint*
 *
 * A workflow takes about 11 bytes, a key of a limit 10; without either the word is 6 bytes long.
 */
import type { CallersSummary } from '../core/fleet.ts'
import type { WordFormat } from './word-format.ts'
import { WordReader, writeVarint } from './word-bytes.ts'

const FORMAT = 65
/** 64 workflows and 256 keys at their longest, sealed. */
export const LONGEST_CALLERS_WORD = 8300
/** Numbers of a list: 256 keys. */
const LONGEST_LIST = 768

/** Field numbers are for ever. */
const FIELDS = { workflows: 1, demands: 2, round: 3 } as const

function write(summary: CallersSummary, sequence: number): Uint8Array {
  const bytes: number[] = [FORMAT]
  writeVarint(bytes, sequence)
  writeList(bytes, FIELDS.workflows, summary.workflows)
  writeList(bytes, FIELDS.demands, summary.demands)
  writeList(bytes, FIELDS.round, [summary.round])
  return Uint8Array.from(bytes)
}

/** Undefined = another format, or no word at all. Whatever the bytes are, it neither throws nor takes long. */
function read(word: Uint8Array): { readonly sequence: number; readonly summary: CallersSummary } | undefined {
  if (word.length > LONGEST_CALLERS_WORD || word[0] !== FORMAT) return undefined
  const reader = new WordReader(word)
  const sequence = reader.varint()
  const lists = new Map<number, number[]>()
  while (reader.left > 0 && reader.good) {
    const tag = reader.varint()
    if (tag % 2 === 1) lists.set((tag - 1) / 2, reader.list(LONGEST_LIST))
    else reader.varint()
  }
  if (!reader.good) return undefined
  const list = (number: number): number[] => lists.get(number) ?? []
  const [round = 0] = list(FIELDS.round)
  return {
    sequence,
    summary: { workflows: list(FIELDS.workflows), demands: list(FIELDS.demands), round },
  }
}

/** The number of a word, without the rest; -1 = another format. */
function sequenceOf(word: Uint8Array): number {
  return word[0] === FORMAT ? new WordReader(word).varint() : -1
}

export const CALLERS_WORDS: WordFormat<CallersSummary> = { write, read, sequenceOf }

function writeList(bytes: number[], number: number, list: readonly number[]): void {
  if (list.length === 0) return
  const inner: number[] = []
  for (const value of list.slice(0, LONGEST_LIST)) writeVarint(inner, value)
  writeVarint(bytes, number * 2 + 1)
  writeVarint(bytes, inner.length)
  for (const byte of inner) bytes.push(byte)
}
