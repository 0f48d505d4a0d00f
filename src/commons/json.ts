/** JSON as it comes from outside: bounded in length and in depth before anything walks it. */
import { malformed, Refused } from './refused.ts'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [key: string]: Json
}

/** Deeper than any message that people design; far from the end of any stack. */
export const DEEPEST = 64

/** @param where what to call it in a problem @throws Refused `malformed`, `too-large` */
export function parseJson(text: string, where: string, mostBytes: number): Json {
  const bytes = Buffer.byteLength(text)
  if (bytes > mostBytes) {
    throw new Refused('too-large', `${where} has ${bytes} bytes; at most ${mostBytes} are allowed`)
  }
  if (depthOf(text) > DEEPEST) {
    throw malformed(where, 'nested too deeply', `at most ${DEEPEST} levels`)
  }
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- JSON.parse makes nothing else
    return JSON.parse(text) as Json
  } catch {
    throw malformed(where, 'no valid JSON', 'JSON (RFC 8259)')
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Brackets that are open at once, outside of strings. */
function depthOf(text: string): number {
  let depth = 0
  let deepest = 0
  let isText = false
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (isText) {
      if (code === BACKSLASH) index += 1
      else if (code === QUOTE) isText = false
    } else if (code === QUOTE) isText = true
    else if (code === OPEN_LIST || code === OPEN_MAP) deepest = Math.max(deepest, (depth += 1))
    else if (code === CLOSE_LIST || code === CLOSE_MAP) depth -= 1
  }
  return deepest
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_MAP = 0x7b
const CLOSE_MAP = 0x7d
