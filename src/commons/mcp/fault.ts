/** An answer that is none: an error of JSON-RPC. */
export class McpFault extends Error {
  override readonly name = 'McpFault'
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.code = code
    this.data = data
  }
}

/** JSON-RPC 2.0, 5.1. */
export const INVALID_PARAMS = -32602
