/** What a test or a bench wants of a client, whichever it is. */
export interface Ask {
  /** Of the logical call: the same on every try. */
  readonly id: string
  readonly text: string
  readonly signal?: AbortSignal
}

export interface Driver {
  ask(call: Ask): Promise<string>
  /** Absent: this client does not stream from the sandbox. */
  stream?(call: Ask): AsyncIterable<string>
  close?(): Promise<void>
}

export interface Client {
  readonly name: string
  /** What Weir takes it for: a row of `core/families.ts`. */
  readonly family: string
  /** Dialect of its API. */
  readonly upstream: 'openai' | 'anthropic' | 'tools'
  /** Comes back by itself after a 429 or 5xx. */
  readonly retries: boolean
  /** Who it is to Weir when the base URL says nothing: its key, or its address and user agent. */
  readonly anonymous: 'key' | 'peer'
  /** Giving up on a call closes its connection. */
  readonly abortCloses: boolean
  connect(base: string): Promise<Driver>
}
