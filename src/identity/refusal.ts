/**
 * Answers to callers that are not known or may not: one row per cause. Those to wrong credentials are the same object
 * for every cause, so that nobody learns which ids there are, which keys are over, or what a token lacks.
 */
import type { Millis } from '../core/model.ts'
import type { Obstacle } from './permissions.ts'

export interface Refusal {
  readonly status: 401 | 403 | 429 | 503
  /** Stable: what a program tests. */
  readonly code: string
  readonly message: string
  /** `WWW-Authenticate`; '' = none. */
  readonly challenge: string
  /** 0 = coming back changes nothing. */
  readonly retryAfterMs: Millis
  /** The same text for every caller: it may be kept in its final form. */
  readonly isConstant: boolean
}

const HOW =
  'Show a key or a token of Weir: in weir-key, or where this upstream takes its own when Weir holds that one.'

/** RFC 6750 3.1: a request without credentials gets no error code. */
export const NO_CREDENTIAL: Refusal = {
  status: 401,
  code: 'unauthenticated',
  message: `Weir does not know who calls. ${HOW}`,
  challenge: 'Bearer realm="weir"',
  retryAfterMs: 0,
  isConstant: true,
}

export const WRONG_CREDENTIAL: Refusal = {
  status: 401,
  code: 'invalid_credential',
  message: `What was shown to Weir is no credential that counts here. ${HOW}`,
  challenge: 'Bearer realm="weir", error="invalid_token"',
  retryAfterMs: 0,
  isConstant: true,
}

/** promises.md 1b: authentication fails closed. */
export const UNAVAILABLE: Refusal = {
  status: 503,
  code: 'identity_unavailable',
  message: 'Weir cannot check this token at the moment: it has no keys of its issuer, or too many wait.',
  challenge: '',
  retryAfterMs: 2000,
  isConstant: true,
}

interface Row {
  readonly code: string
  readonly sentence: (agent: string, upstream: string) => string
}

const NO_NAME = 'A caller that shows nothing'

/** What stands in the way, in words; neither a path nor a method of the client's is repeated. */
export const DENIED: Readonly<Record<Obstacle, Row>> = {
  unlisted: { code: 'not_permitted', sentence: (agent) => `${agent} has no permissions: no grant names it.` },
  upstream: {
    code: 'upstream_not_permitted',
    sentence: (agent, upstream) =>
      `${agent} may not call upstream ${upstream}: no grant of it names that upstream.`,
  },
  method: {
    code: 'method_not_permitted',
    sentence: (agent, upstream) =>
      `${agent} may not use this method at upstream ${upstream}: see methods of its grant.`,
  },
  path: {
    code: 'path_not_permitted',
    sentence: (agent, upstream) =>
      `${agent} may not call this path of upstream ${upstream}: see paths of its grant.`,
  },
}

/** @param agent a name that was proved; '' = none was */
export function refusedCall(row: Row, agent: string, upstream: string): Refusal {
  const message = row.sentence(agent === '' ? NO_NAME : agent, upstream)
  return { status: 403, code: row.code, message, challenge: '', retryAfterMs: 0, isConstant: false }
}

export function tooManyCalls(agent: string, retryAfterMs: Millis): Refusal {
  const message = `${agent === '' ? NO_NAME : agent} has as many calls open as its grant allows; come back when one has ended.`
  return { status: 429, code: 'concurrency_limit', message, challenge: '', retryAfterMs, isConstant: false }
}
