/**
 * Why the commons does not do what it is asked: what was found, where, and what is allowed instead. One table gives
 * each cause its status; `http/problem.ts` and the MCP face only show it.
 */
export const REFUSALS = {
  malformed: { status: 400, title: 'Malformed request' },
  forbidden: { status: 403, title: 'Not permitted' },
  unknown: { status: 404, title: 'Not found' },
  'wrong-method': { status: 405, title: 'Method not allowed' },
  'not-acceptable': { status: 406, title: 'Not acceptable' },
  conflict: { status: 409, title: 'Conflict' },
  gone: { status: 410, title: 'No longer there' },
  changed: { status: 412, title: 'Precondition failed' },
  'too-large': { status: 413, title: 'Too large' },
  'wrong-type': { status: 415, title: 'Unsupported media type' },
  contract: { status: 422, title: 'Does not fit its schema' },
  'too-many': { status: 429, title: 'Too many at once' },
  damaged: { status: 500, title: 'Damaged' },
  busy: { status: 503, title: 'Busy' },
  unavailable: { status: 503, title: 'Store not available' },
  draining: { status: 503, title: 'Going away' },
  full: { status: 507, title: 'Full' },
} as const satisfies Record<string, { status: number; title: string }>

export type Refusal = keyof typeof REFUSALS

/** One thing that is wrong with one place of what was sent. */
export interface Fault {
  /** JSON pointer into the body, or the name of a parameter or header. */
  readonly where: string
  readonly found: string
  readonly allowed: string
}

export class Refused extends Error {
  override readonly name = 'Refused'
  readonly why: Refusal
  readonly faults: readonly Fault[]

  /** @param detail one sentence; never a body that somebody sent */
  constructor(why: Refusal, detail: string, faults: readonly Fault[] = []) {
    super(detail)
    this.why = why
    this.faults = faults
  }
}

export function malformed(where: string, found: string, allowed: string): Refused {
  return new Refused('malformed', `${where}: ${found}; allowed: ${allowed}`, [{ where, found, allowed }])
}

export function full(room: string): Refused {
  return new Refused('full', `the room of ${room} is full; delete something, or raise commons.limits`, [
    { where: room, found: 'full', allowed: 'what fits the limits of this store' },
  ])
}
