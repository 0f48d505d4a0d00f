/** What a sandbox upstream says: the bytes of an answer, all derived from the request, so that two can be compared. */
import { createHash } from 'node:crypto'

/** A request as the sandbox saw it. The sandbox is an upstream: unlike Weir it may read bodies. */
export interface SandboxRequest {
  readonly method: string
  /** Path without query. */
  readonly path: string
  readonly query: URLSearchParams
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** SHA-256 of method, target and body, in hex: the seed of everything that the answer contains. */
  readonly digest: string
}

export interface Answer {
  readonly status: number
  readonly contentType: string
  /** One part leaves with a length; of a stream every part leaves as a chunk of its own. */
  readonly parts: readonly (string | Buffer)[]
  readonly streaming: boolean
}

/** Whose API a path belongs to: the shape of errors and of quota headers follows from it. */
export type SandboxDialect = 'openai' | 'anthropic' | 'gemini' | 'plain'

export function digestOf(method: string, target: string, body: Buffer): string {
  return createHash('sha256').update(`${method} ${target}\n`).update(body).digest('hex')
}

export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, contentType: 'application/json', parts: [JSON.stringify(value)], streaming: false }
}

export function streamAnswer(parts: readonly string[]): Answer {
  return { status: 200, contentType: 'text/event-stream; charset=utf-8', parts, streaming: true }
}

/** The members of a JSON object body; {} for anything else. */
export function members(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'))
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

export function textMember(
  record: Readonly<Record<string, unknown>>,
  name: string,
  otherwise: string,
): string {
  const value = record[name]
  return typeof value === 'string' ? value : otherwise
}

const WORDS =
  'the river carries each call past stone and weir toward calm water without tasting what it brings'.split(
    ' ',
  )

/** A sentence of twelve words that follows from the digest. */
export function wordsOf(digest: string): readonly string[] {
  const words: string[] = []
  for (let at = 0; at < 24; at += 2) {
    const word = WORDS[Number.parseInt(digest.slice(at, at + 2), 16) % WORDS.length] ?? ''
    words.push(at === 0 ? word : ` ${word}`)
  }
  return words
}

/** A rough count of tokens, as usage figures want one. */
export function tokensOf(body: Buffer): number {
  return Math.max(1, Math.ceil(body.length / 4))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
