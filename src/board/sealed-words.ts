/**
 * Words that only those can read who have the same key: AES-256-GCM, a nonce of its own for each word. Ids of workflows and
 * agents are hashes, but who guesses a name can hash it as well; with a key he learns nothing from the board, and can
 * put nothing on it. Costs 28 bytes and some microseconds a word.
 *
 *   sealed := nonce:12 bytes  encrypted word  tag:16 bytes
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import type { WordFormat } from './word-format.ts'

const CIPHER = 'aes-256-gcm'
/** NIST SP 800-38D: 96 bits by chance are safe for 2^32 words of one key: 68 years at two a second. */
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** @param secret that of the operator, the same at all replicas */
export function sealedWords<S>(format: WordFormat<S>, secret: Buffer): WordFormat<S> {
  const key = createHmac('sha256', secret).update('weir board words').digest()
  const open = (word: Uint8Array): Uint8Array | undefined => opened(word, key)
  return {
    write: (summary, sequence) => sealed(format.write(summary, sequence), key),
    read(word) {
      const plain = open(word)
      return plain === undefined ? undefined : format.read(plain)
    },
    sequenceOf(word) {
      const plain = open(word)
      return plain === undefined ? -1 : format.sequenceOf(plain)
    },
  }
}

function sealed(word: Uint8Array, key: Buffer): Uint8Array {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, key, nonce)
  return Buffer.concat([nonce, cipher.update(word), cipher.final(), cipher.getAuthTag()])
}

function opened(word: Uint8Array, key: Buffer): Uint8Array | undefined {
  if (word.length < NONCE_BYTES + TAG_BYTES) return undefined
  const decipher = createDecipheriv(CIPHER, key, word.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
  decipher.setAuthTag(word.subarray(word.length - TAG_BYTES))
  try {
    return Buffer.concat([
      decipher.update(word.subarray(NONCE_BYTES, word.length - TAG_BYTES)),
      decipher.final(),
    ])
  } catch {
    // Another key, or noise.
    return undefined
  }
}
