import { describe, expect, it } from 'vitest'
import { seeded } from '../random.ts'
import { Sequences } from './sequence.ts'

interface Step {
  route: number
  request: number
  answer: number
}

/** Runs calls one after the other, each `tookMs` long, `pauseMs` apart; returns the period after each. */
function run(
  sequences: Sequences,
  steps: readonly Step[],
  pauseMs: (n: number) => number,
  tookMs = 50,
): number[] {
  let at = 1000
  return steps.map(({ route, request, answer }, index) => {
    at += pauseMs(index)
    sequences.start(0, true, at)
    at += tookMs
    sequences.end(0, at)
    sequences.edge(0, route, request, answer)
    return sequences.period(0)
  })
}

const circle = (steps: readonly Step[], calls: number): Step[] =>
  Array.from({ length: calls }, (_, index) => steps[index % steps.length] as Step)

const LETTERS: readonly Step[] = [
  { route: 1, request: 800, answer: 2000 },
  { route: 2, request: 120, answer: 90 },
  { route: 3, request: 4000, answer: 300 },
  { route: 1, request: 640, answer: 5000 },
]

describe('sequences', () => {
  it.each([1, 2, 3, 4])('finds a circle of period %i within 16 calls after its first turn', (period) => {
    const random = seeded(period)
    const periods = run(new Sequences(1), circle(LETTERS.slice(0, period), 24), () => 500 + 4000 * random())
    expect(periods.findIndex((found) => found === period)).toBeLessThanOrEqual(15 + period)
    expect(periods.at(-1)).toBe(period)
  })

  it('finds a circle whose sizes wobble by a digit of a counter', () => {
    const random = seeded(1)
    const steps = circle(LETTERS.slice(0, 2), 30).map((step, index) => ({
      ...step,
      request: step.request + (index > 18 ? 1 : 0),
    }))
    expect(run(new Sequences(1), steps, () => 3000 * random()).at(-1)).toBe(2)
  })

  it('takes a conversation that grows for no circle, however alike its answers are', () => {
    const steps = Array.from({ length: 200 }, (_, n) => ({
      route: 1,
      request: 100_000 + 300 * n,
      answer: 92,
    }))
    expect(Math.max(...run(new Sequences(1), steps, () => 2000))).toBe(0)
  })

  it('takes a conversation with equal tool calls between its turns for no circle', () => {
    const steps = Array.from({ length: 200 }, (_, n) =>
      n % 2 === 0
        ? { route: 1, request: 60_000 + 50 * n, answer: 120 }
        : { route: 2, request: 80, answer: 40 },
    )
    expect(Math.max(...run(new Sequences(1), steps, () => 2000))).toBe(0)
  })

  it('takes answers of other sizes for no circle', () => {
    const random = seeded(3)
    const steps = Array.from({ length: 200 }, () => ({
      route: 1,
      request: 500,
      answer: 100 + 900 * random(),
    }))
    expect(Math.max(...run(new Sequences(1), steps, () => 100))).toBe(0)
  })

  it('forgets a circle as soon as another call breaks it', () => {
    const sequences = new Sequences(1)
    const steps = [...circle(LETTERS.slice(0, 1), 30), { route: 9, request: 10, answer: 10 }]
    const periods = run(sequences, steps, () => 0)
    expect(periods.at(-2)).toBe(1)
    expect(periods.at(-1)).toBe(0)
  })

  it('knows which call comes next in the circle', () => {
    const sequences = new Sequences(1)
    run(sequences, circle(LETTERS.slice(0, 2), 30), () => 0)
    expect(sequences.continues(0, 2, 1, 800)).toBe(true)
    expect(sequences.continues(0, 2, 1, -1)).toBe(true)
    expect(sequences.continues(0, 2, 1, 900)).toBe(false)
    expect(sequences.continues(0, 2, 2, 120)).toBe(false)
  })

  it('knows a poller by its small requests, its cadence and its pauses', () => {
    const random = seeded(5)
    const sequences = new Sequences(1)
    const poll = { route: 1, request: 0, answer: 210 }
    run(sequences, circle([poll], 60), () => 1000 * (0.95 + 0.1 * random()))
    expect(sequences.period(0)).toBe(1)
    expect(sequences.isPolling(0)).toBe(true)
  })

  it('takes the same small call without a pause for no poll', () => {
    const sequences = new Sequences(1)
    run(sequences, circle([{ route: 1, request: 0, answer: 210 }], 60), () => 1, 300)
    expect(sequences.isPolling(0)).toBe(false)
  })

  it('takes small calls with the uneven pauses of a model between them for no poll', () => {
    const random = seeded(7)
    const sequences = new Sequences(1)
    run(sequences, circle([{ route: 1, request: 90, answer: 210 }], 60), () => 500 + 6000 * random())
    expect(sequences.isPolling(0)).toBe(false)
  })

  it('takes large steady calls for no poll', () => {
    const sequences = new Sequences(1)
    run(sequences, circle([{ route: 1, request: 5000, answer: 210 }], 60), () => 1000)
    expect(sequences.isPolling(0)).toBe(false)
  })

  it('starts anew when its slot is cleared', () => {
    const sequences = new Sequences(1)
    run(sequences, circle(LETTERS.slice(0, 1), 30), () => 0)
    sequences.clear(0)
    expect(sequences.period(0)).toBe(0)
    expect(run(sequences, circle(LETTERS.slice(0, 1), 16), () => 0).at(-2)).toBe(0)
  })
})
