import { describe, expect, it } from 'vitest'
import { errorBody, type OwnError } from './dialect.ts'

const shed: OwnError = {
  status: 429,
  code: 'coordination_deferred',
  message: 'Wait.',
  callId: 'c1',
  retryAfterMs: 1500.2,
}

describe('an error body', () => {
  it('reads as OpenAI wrote it', () => {
    const { contentType, text } = errorBody('openai', shed)
    expect(contentType).toBe('application/json')
    expect(JSON.parse(text)).toEqual({
      error: {
        message: 'Wait.',
        type: 'rate_limit_error',
        code: 'coordination_deferred',
        retry_after_ms: 1501,
        call_id: 'c1',
        param: null,
      },
    })
  })

  it('reads as Anthropic wrote it', () => {
    expect(JSON.parse(errorBody('anthropic', { ...shed, status: 503 }).text)).toEqual({
      type: 'error',
      error: {
        message: 'Wait.',
        type: 'overloaded_error',
        code: 'coordination_deferred',
        retry_after_ms: 1501,
        call_id: 'c1',
      },
      request_id: 'c1',
    })
  })

  it('is otherwise a problem of RFC 9457', () => {
    const { contentType, text } = errorBody('problem', { ...shed, callId: '', retryAfterMs: 0, status: 504 })
    expect(contentType).toBe('application/problem+json')
    expect(JSON.parse(text)).toEqual({
      title: 'Gateway Timeout',
      status: 504,
      detail: 'Wait.',
      code: 'coordination_deferred',
    })
  })

  it.each([
    [400, 'invalid_request_error', 'invalid_request_error'],
    [403, 'permission_error', 'permission_error'],
    [404, 'invalid_request_error', 'not_found_error'],
    [413, 'invalid_request_error', 'request_too_large'],
    [429, 'rate_limit_error', 'rate_limit_error'],
    [502, 'server_error', 'api_error'],
    [504, 'server_error', 'timeout_error'],
  ])('has the vendors’ own type for %i', (status, openai, anthropic) => {
    expect(JSON.parse(errorBody('openai', { ...shed, status }).text).error.type).toBe(openai)
    expect(JSON.parse(errorBody('anthropic', { ...shed, status }).text).error.type).toBe(anthropic)
  })
})
