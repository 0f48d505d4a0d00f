/**
 * What goes wrong between Weir and an upstream, by stable codes: llhttp's for what it would refuse too, undici's for
 * the rest, so that `upstream-failure.ts` reads one language whoever carried the call.
 */

export type WireFault =
  | 'HPE_INVALID_CONSTANT'
  | 'HPE_INVALID_HEADER_TOKEN'
  | 'HPE_INVALID_CONTENT_LENGTH'
  | 'HPE_UNEXPECTED_CONTENT_LENGTH'
  | 'HPE_INVALID_TRANSFER_ENCODING'
  | 'HPE_INVALID_CHUNK_SIZE'
  | 'HPE_CHUNK_EXTENSIONS_OVERFLOW'
  | 'HPE_STRICT'
  | 'HPE_CLOSED_CONNECTION'
  | 'HPE_UNEXPECTED_SWITCH'
  | 'UND_ERR_HEADERS_OVERFLOW'
  | 'UND_ERR_INVALID_ARG'
  | 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'
  | 'UND_ERR_CONNECT_TIMEOUT'
  | 'UND_ERR_SOCKET'
  | 'UND_ERR_DESTROYED'

export class WireError extends Error {
  override readonly name = 'WireError'
  readonly code: WireFault

  constructor(code: WireFault, message: string) {
    super(message)
    this.code = code
  }
}

export function errorOf(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown))
}
