/** What `fetch` is given, in whichever of its forms. */
export type Fetch = typeof globalThis.fetch

export type FetchInput = Parameters<Fetch>[0]

export function urlOf(input: FetchInput): string {
  if (typeof input === 'string') return input
  return input instanceof Request ? input.url : input.href
}

export function methodOf(input: FetchInput, init: RequestInit | undefined): string {
  return (init?.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase()
}

/** What SDKs try again after (wire.md 3). */
export function isFailure(status: number): boolean {
  return status === 408 || status === 409 || status === 429 || status >= 500
}
