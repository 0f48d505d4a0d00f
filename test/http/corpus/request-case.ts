/** One attack by a client, and all that may come of it. */
export interface RequestCase {
  /** What is tried. */
  readonly attack: string
  /** Bytes on the wire. `{port}` is the proxy's own. */
  readonly bytes: string
  /** Statuses of all answers, in order. */
  readonly answers: readonly number[]
  /** Whether it is good for another request afterwards. */
  readonly connection: 'closed' | 'open'
  /** Request lines that the upstream gets, in order, each with its body; absent = nothing at all. */
  readonly sent?: readonly { readonly line: string; readonly body?: string }[]
  /** Text that must not be among the bytes that the upstream gets, in any case. */
  readonly never?: readonly string[]
}

export const HOST = 'Host: weir.local\r\n'
export const POST = `POST /api/first HTTP/1.1\r\n${HOST}`
export const GET = `GET /api/first HTTP/1.1\r\n${HOST}`
/** What the attacker wants a server behind to take for a request. */
export const SMUGGLED = `GET /api/smuggled HTTP/1.1\r\n${HOST}\r\n`

export const FIRST_GET = { line: 'GET /first HTTP/1.1' } as const

/** Refused, the connection closed: nobody can say where the next request would begin. */
export function refused(attack: string, bytes: string, status = 400): RequestCase {
  return { attack, bytes, answers: [status], connection: 'closed' }
}

/** Refused, the connection good for more: where the request ends is not in doubt. */
export function declined(attack: string, bytes: string, status: number): RequestCase {
  return { attack, bytes, answers: [status], connection: 'open' }
}

/** Passed on as one request, and what would confuse is not. */
export function cleaned(attack: string, bytes: string, never: readonly string[] = []): RequestCase {
  return { attack, bytes, answers: [200], connection: 'open', sent: [FIRST_GET], never }
}
