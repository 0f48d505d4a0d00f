/** What was shown and what became of it, in plain numbers: counted where it happens, read on a scrape. */

/** How a caller was known, or meant to be. */
export const SHOWN = ['key', 'token', 'certificate', 'nothing'] as const
export type Shown = (typeof SHOWN)[number]

/** `unavailable`: nobody can say, since the issuer's keys were never had, or too many tokens wait. */
export const CHECK_RESULTS = ['accepted', 'refused', 'unavailable'] as const
export type CheckResult = (typeof CHECK_RESULTS)[number]

/** What a known caller may not. `commons` = an action of the commons. */
export const DENIALS = ['unlisted', 'upstream', 'method', 'path', 'concurrency', 'commons'] as const
export type Denial = (typeof DENIALS)[number]

export interface AuthCounts {
  readonly checks: Record<Shown, Record<CheckResult, number>>
  readonly denied: Record<Denial, number>
  /** Calls whose priority was lowered to what the agent may ask for. */
  capped: number
}

function none(): Record<CheckResult, number> {
  return { accepted: 0, refused: 0, unavailable: 0 }
}

export function createAuthCounts(): AuthCounts {
  return {
    checks: { key: none(), token: none(), certificate: none(), nothing: none() },
    denied: { unlisted: 0, upstream: 0, method: 0, path: 0, concurrency: 0, commons: 0 },
    capped: 0,
  }
}
