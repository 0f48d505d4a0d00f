import { describe, expect, it } from 'vitest'
import { isLinearizable, ownershipFaults, REGISTER, type Operation, type RegisterInput } from './checker.ts'

function operation(
  calledAt: number,
  answeredAt: number,
  input: RegisterInput,
  output?: number,
): Operation<RegisterInput, number> {
  return { calledAt, answeredAt, input, output }
}

const write = (value: number): RegisterInput => ({ do: 'write', value })
const read: RegisterInput = { do: 'read' }

describe('the checker', () => {
  it.each<[string, Operation<RegisterInput, number>[], boolean]>([
    ['nothing', [], true],
    ['a read that sees the write before it', [operation(0, 1, write(7), 1), operation(2, 3, read, 7)], true],
    [
      'a read that misses the write before it',
      [operation(0, 1, write(7), 1), operation(2, 3, read, 0)],
      false,
    ],
    ['a read during a write that misses it', [operation(0, 5, write(7), 1), operation(2, 3, read, 0)], true],
    [
      'two reads during a write, the later of which misses what the earlier saw',
      [operation(0, 9, write(7), 1), operation(1, 2, read, 7), operation(3, 4, read, 0)],
      false,
    ],
    [
      'two swaps from one value that both succeed',
      [
        operation(0, 5, { do: 'swap', from: 0, value: 1 }, 1),
        operation(1, 6, { do: 'swap', from: 0, value: 2 }, 1),
      ],
      false,
    ],
    [
      'a swap that is refused though nothing else happened',
      [operation(0, 1, { do: 'swap', from: 0, value: 1 }, 0)],
      false,
    ],
    [
      'a write without an answer that is seen later',
      [operation(0, Infinity, write(7)), operation(5, 6, read, 7)],
      true,
    ],
    [
      'a write without an answer that never happened',
      [operation(0, Infinity, write(7)), operation(5, 6, read, 0)],
      true,
    ],
    [
      'a write without an answer that is seen and then not',
      [operation(0, Infinity, write(7)), operation(5, 6, read, 7), operation(7, 8, read, 0)],
      false,
    ],
  ])('judges %s', (_name, history, isFine) => {
    expect(isLinearizable(history, REGISTER)).toBe(isFine)
  })

  it('names two who had one task at a time, and fences that did not grow', () => {
    const one = { task: 't', owner: 'a', fence: 1, askedAt: 0, from: 1, until: 5 }
    expect(ownershipFaults([one, { ...one, owner: 'b', fence: 2, from: 5, until: 9 }])).toEqual([])
    expect(ownershipFaults([one, { ...one, owner: 'b', fence: 2, from: 4, until: 9 }])).toHaveLength(1)
    expect(ownershipFaults([one, { ...one, from: 6, until: 9 }])).toHaveLength(1)
  })
})
