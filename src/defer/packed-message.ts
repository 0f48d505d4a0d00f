/**
 * A request or an answer as bytes: its head as JSON, and its body as it came. Header lists are those of Node: flat,
 * in order, in the case of the sender, one character per byte.
 */
import type { Millis } from '../core/model.ts'

export interface CallMessage {
  readonly method: string
  /** Request target as the agent sent it, prefix and all. */
  readonly target: string
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
}

export interface AnswerMessage {
  readonly status: number
  readonly statusText: string
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** Wall clock. */
  readonly endedAt: Millis
}

const LENGTH_BYTES = 4

function pack(head: object, body: Buffer): Buffer {
  const json = Buffer.from(JSON.stringify(head), 'utf8')
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(json.length)
  return Buffer.concat([length, json, body])
}

function unpack(bytes: Buffer): { head: unknown; body: Buffer } {
  const bodyAt = LENGTH_BYTES + bytes.readUInt32BE()
  return { head: JSON.parse(bytes.toString('utf8', LENGTH_BYTES, bodyAt)), body: bytes.subarray(bodyAt) }
}

export function packCall({ body, ...head }: CallMessage): Buffer {
  return pack(head, body)
}

/** @param bytes what `packCall` made; nothing else is behind a seal */
export function unpackCall(bytes: Buffer): CallMessage {
  const { head, body } = unpack(bytes)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the seal says that it is what was packed
  return { ...(head as Omit<CallMessage, 'body'>), body }
}

export function packAnswer({ body, ...head }: AnswerMessage): Buffer {
  return pack(head, body)
}

/** @param bytes what `packAnswer` made */
export function unpackAnswer(bytes: Buffer): AnswerMessage {
  const { head, body } = unpack(bytes)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the seal says that it is what was packed
  return { ...(head as Omit<AnswerMessage, 'body'>), body }
}
