/**
 * The shape of an error body in the tongue of an upstream's clients, so that an SDK reads Weir's refusal as it
 * reads its own vendor's. MCP clients read the status alone (their transport never parses an error body), hence
 * MCP upstreams use `problem`.
 *
 * Bodies carry a code, a sentence, a call id and the wait; never a host, path, query or stack. Sentences avoid
 * "quota", "billing", "credit" and "try again in N": LangChain takes those words for a final answer or for advice.
 */
import { STATUS_CODES } from 'node:http'
import type { Millis } from '../core/model.ts'
import type { Dialect } from './options.ts'

/** What a body may say. */
export interface OwnError {
  readonly status: number
  /** Stable, lower case, words joined by `_`: what a program tests. */
  readonly code: string
  /** One sentence for people. */
  readonly message: string
  /** '' = no call exists yet. */
  readonly callId: string
  /** Wait until the caller's slot in ms; 0 = there is no slot. */
  readonly retryAfterMs: Millis
}

export interface ErrorBody {
  readonly contentType: string
  readonly text: string
}

/** Renders one refusal; the text is JSON in all dialects. */
export function errorBody(dialect: Dialect, error: OwnError): ErrorBody {
  return DIALECT_BODIES[dialect](error)
}

const DIALECT_BODIES: Readonly<Record<Dialect, (error: OwnError) => ErrorBody>> = {
  openai: (error) =>
    json('application/json', { error: { ...detail(error, openaiType(error.status)), param: null } }),
  anthropic: (error) =>
    json('application/json', {
      type: 'error',
      error: detail(error, anthropicType(error.status)),
      ...(error.callId === '' ? {} : { request_id: error.callId }),
    }),
  problem: (error) => json('application/problem+json', problemDetails(error)),
}

function json(contentType: string, value: unknown): ErrorBody {
  return { contentType, text: JSON.stringify(value) }
}

function detail(error: OwnError, type: string): Record<string, unknown> {
  return { message: error.message, type, code: error.code, ...extensions(error) }
}

/** RFC 9457; `type` is absent, which means `about:blank`, so `title` is the status phrase. */
function problemDetails(error: OwnError): Record<string, unknown> {
  return {
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
    ...extensions(error),
  }
}

function extensions(error: OwnError): Record<string, unknown> {
  return {
    ...(error.retryAfterMs > 0 ? { retry_after_ms: Math.ceil(error.retryAfterMs) } : {}),
    ...(error.callId === '' ? {} : { call_id: error.callId }),
  }
}

/** The error types of the OpenAI API reference. */
function openaiType(status: number): string {
  if (status === 429) return 'rate_limit_error'
  if (status === 403) return 'permission_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

/** The error types of the Anthropic API reference ("Errors"). */
function anthropicType(status: number): string {
  switch (status) {
    case 429:
      return 'rate_limit_error'
    case 401:
      return 'authentication_error'
    case 403:
      return 'permission_error'
    case 404:
      return 'not_found_error'
    case 413:
      return 'request_too_large'
    case 503:
      return 'overloaded_error'
    case 504:
      return 'timeout_error'
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error'
  }
}
