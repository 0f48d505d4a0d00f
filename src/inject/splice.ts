/**
 * Changes of a YAML or JSON text that leave every other byte as it is: comments, quotes, order and indentation stay
 * the author's, and what was put in can be taken out again. Block style gets lines of its own, flow style (and so
 * JSON) gets JSON behind the opening bracket.
 */
import {
  isCollection,
  isNode,
  isPair,
  isScalar,
  stringify,
  type Pair,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'

export interface Edit {
  readonly at: number
  /** Characters that go. */
  readonly remove: number
  readonly insert: string
}

/** Where an edit cannot be made; the offset is into the text. */
export class SpliceError extends Error {
  override readonly name = 'SpliceError'
  readonly at: number

  constructor(message: string, at: number) {
    super(message)
    this.at = at
  }
}

/** Edits at one place keep their order; none may overlap another. */
export function spliced(text: string, edits: readonly Edit[]): string {
  const ordered = edits.toSorted((a, b) => a.at - b.at)
  let result = ''
  let from = 0
  for (const { at, remove, insert } of ordered) {
    result += text.slice(from, at) + insert
    from = at + remove
  }
  return result + text.slice(from)
}

/** A new pair before the first one of the map, or before the one of `beforeKey`, above its comments. */
export function putPair(text: string, map: YAMLMap, key: string, value: unknown, beforeKey?: string): Edit {
  if (map.flow === true || map.items.length === 0)
    return putFirst(text, map, `${JSON.stringify(key)}: ${json(value)}`)
  const next = map.items.find((pair) => nameOf(pair) === beforeKey) ?? map.items[0]
  const at = startOf(next?.key)
  const lineAt = lineStart(text, at)
  if (text.slice(lineAt, at).trim() !== '') throw new SpliceError('begins in the middle of a line', at)
  return put(text, aboveComments(text, lineAt), linesOf({ [key]: value }, at - lineAt))
}

/** A new pair below the first one of a map that may begin in the middle of a line, as items of a list do. */
export function putSecondPair(text: string, map: YAMLMap, key: string, value: unknown): Edit {
  const first = map.items[0]
  if (map.flow === true || first === undefined)
    return putFirst(text, map, `${JSON.stringify(key)}: ${json(value)}`)
  const keyAt = startOf(first.key)
  const lines = linesOf({ [key]: value }, keyAt - lineStart(text, keyAt))
  const at = lineEnd(text, endOf(first.value ?? first.key))
  // The last line of a text may have no end; what is put behind it has none either, then.
  if (text[at - 1] !== '\n') return put(text, at, `\n${lines.slice(0, -1)}`)
  return put(text, at, lines)
}

/** New items before all others. */
export function putItems(text: string, seq: YAMLSeq, items: readonly unknown[]): Edit {
  const [first] = seq.items
  if (seq.flow === true || first === undefined) return putFirst(text, seq, items.map(json).join(', '))
  const at = dashOf(text, startOf(first))
  const lineAt = lineStart(text, at)
  if (text.slice(lineAt, at).trim() !== '') throw new SpliceError('begins in the middle of a line', at)
  return put(text, aboveComments(text, lineAt), linesOf(items, at - lineAt))
}

/** Takes a pair out, with the lines that are its own. */
export function takePair(text: string, map: YAMLMap, pair: Pair): Edit {
  const start = startOf(pair.key)
  const end = endOf(pair.value ?? pair.key)
  return map.flow === true ? takeFlow(text, start, end) : takeLines(text, start, start, end)
}

export function takeItem(text: string, seq: YAMLSeq, item: unknown): Edit {
  const start = startOf(item)
  return seq.flow === true
    ? takeFlow(text, start, endOf(item))
    : takeLines(text, dashOf(text, start), start, endOf(item))
}

export function nameOf(pair: Pair): unknown {
  return isScalar(pair.key) ? pair.key.value : pair.key
}

/** Line and column of an offset, from 1. */
export function placeOf(text: string, at: number): { line: number; column: number } {
  const line = text.slice(0, at).split('\n').length
  return { line, column: at - lineStart(text, at) + 1 }
}

function put(text: string, at: number, insert: string): Edit {
  return { at, remove: 0, insert: text.includes('\r\n') ? insert.replaceAll('\n', '\r\n') : insert }
}

/** Behind the opening bracket. An empty block collection has none, and no text that an item could stand in. */
function putFirst(text: string, collection: YAMLMap | YAMLSeq, insert: string): Edit {
  const start = startOf(collection)
  if (text[start] !== '{' && text[start] !== '[') throw new SpliceError('is empty', start)
  return { at: start + 1, remove: 0, insert: collection.items.length === 0 ? insert : `${insert}, ` }
}

function takeFlow(text: string, start: number, end: number): Edit {
  const after = /^\s*, ?/.exec(text.slice(end, end + 1000))?.[0].length ?? 0
  if (after > 0) return { at: start, remove: end + after - start, insert: '' }
  const before = /,\s*$/.exec(text.slice(Math.max(0, start - 1000), start))?.[0].length ?? 0
  return { at: start - before, remove: end - start + before, insert: '' }
}

/** @param first where the first of the lines begins to be the pair's or the item's */
function takeLines(text: string, first: number, start: number, end: number): Edit {
  const lineAt = lineStart(text, first)
  if (text.slice(lineAt, first).trim() !== '') throw new SpliceError('begins in the middle of a line', start)
  const until = lineEnd(text, end)
  if (text[until - 1] === '\n' || lineAt === 0) return { at: lineAt, remove: until - lineAt, insert: '' }
  const newline = text[lineAt - 2] === '\r' ? 2 : 1
  return { at: lineAt - newline, remove: until - lineAt + newline, insert: '' }
}

function linesOf(value: unknown, indent: number): string {
  const text = stringify(value, { lineWidth: 0, singleQuote: true })
  return text.replaceAll(/^(?=.)/gm, ' '.repeat(indent))
}

function json(value: unknown): string {
  return JSON.stringify(value)
}

function startOf(node: unknown): number {
  if (!isNode(node) || node.range == null) throw new SpliceError('has no place in the text', 0)
  return node.range[0]
}

/** Behind the last character that is content: a collection in block style ends with its last leaf. */
function endOf(node: unknown): number {
  if (isPair(node)) return endOf(node.value ?? node.key)
  if (!isNode(node) || node.range == null) throw new SpliceError('has no place in the text', 0)
  if (isCollection(node) && node.flow !== true && node.items.length > 0) return endOf(node.items.at(-1))
  return node.range[1]
}

function dashOf(text: string, itemAt: number): number {
  let at = itemAt - 1
  while (at >= 0 && /\s/.test(text[at] ?? '')) at -= 1
  if (text[at] !== '-') throw new SpliceError('has something between its dash and its first word', itemAt)
  return at
}

function lineStart(text: string, at: number): number {
  return at === 0 ? 0 : text.lastIndexOf('\n', at - 1) + 1
}

/** Behind the line break of the line that holds the character before `at`. */
function lineEnd(text: string, at: number): number {
  if (text[at - 1] === '\n') return at
  const newline = text.indexOf('\n', at)
  return newline === -1 ? text.length : newline + 1
}

/** The line where the comments begin that stand right above. */
function aboveComments(text: string, lineAt: number): number {
  let at = lineAt
  while (at > 0) {
    const above = lineStart(text, at - 1)
    if (!text.slice(above, at).trimStart().startsWith('#')) break
    at = above
  }
  return at
}
