import { assert, boolean, constant, integer, option, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { judgeRun, type RunResult } from './judge-run.ts'
import type { AnswerMessage } from './packed-message.ts'

const answer = (status: number): AnswerMessage => ({
  status,
  statusText: '',
  rawHeaders: [],
  body: Buffer.alloc(0),
  endedAt: 0,
})
const NOTHING: RunResult = {
  answer: undefined,
  isUpstreams: false,
  isTooLarge: false,
  wasSent: false,
  isFinal: false,
  slotMs: -1,
}
const judge = (result: Partial<RunResult>, idempotent: boolean, attempts = 1) =>
  judgeRun({ ...NOTHING, ...result }, { idempotent }, attempts, 3, 0.5)

describe('after a run of a deferred call', () => {
  it.each([200, 404, 500, 429])(
    'an answer of the upstream with %i is the end of what is sent once',
    (status) => {
      const judged = judge({ answer: answer(status), isUpstreams: true, wasSent: true }, false)
      expect(judged).toMatchObject({ do: 'end', end: { ending: 'done', status } })
    },
  )

  it('"later" of the upstream is taken at its word when the call may be sent again, and at last it is the answer', () => {
    const later = { answer: answer(503), isUpstreams: true, wasSent: true }
    expect(judge(later, true)).toMatchObject({ do: 'again', unwell: true })
    expect(judge(later, true, 3)).toMatchObject({ do: 'end', end: { ending: 'done', status: 503 } })
    expect(judge({ ...later, answer: answer(500) }, true)).toMatchObject({ do: 'end' })
  })

  it('what was not sent goes again, at the slot if there is one', () => {
    expect(judge({ slotMs: 700 }, false)).toEqual({ do: 'again', delayMs: 700, unwell: true })
    expect(judge({}, false)).toMatchObject({ do: 'again', delayMs: 1500 })
  })

  it('what was sent without an answer is unknown, or goes again if it may, as often as is allowed', () => {
    expect(judge({ wasSent: true }, false)).toMatchObject({ end: { ending: 'unknown', why: 'no-answer' } })
    expect(judge({ wasSent: true }, true)).toMatchObject({ do: 'again', unwell: false })
    expect(judge({ wasSent: true }, true, 3)).toMatchObject({ end: { ending: 'failed', why: 'attempts' } })
  })

  it('a refusal for good and an answer that is too large are ends', () => {
    const refused = judge({ isFinal: true, answer: answer(403) }, false)
    expect(refused).toMatchObject({ end: { ending: 'failed', why: 'refused', status: 403 } })
    expect(judge({ isTooLarge: true, wasSent: true }, true)).toMatchObject({
      end: { why: 'answer-too-large' },
    })
  })

  it('never sends again what may have been sent and must not be sent twice', () => {
    const results = record({
      answer: option(integer({ min: 200, max: 599 }).map(answer), { nil: undefined }),
      isUpstreams: boolean(),
      isTooLarge: boolean(),
      wasSent: constant(true),
      isFinal: boolean(),
      slotMs: integer({ min: -1, max: 90_000 }),
    })
    assert(
      property(results, integer({ min: 1, max: 9 }), (result, attempts) => {
        expect(judgeRun(result, { idempotent: false }, attempts, 5, 0).do).toBe('end')
      }),
    )
  })
})
