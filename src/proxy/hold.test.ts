// oxlint-disable typescript/no-unsafe-type-assertion -- fakes and events of Node's are not typed more narrowly
import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { PRIORITIES, type Priority } from '../core/model.ts'
import { FakeRequest } from '../../test/kit/fake-call.ts'
import { fits, HeldBody, type HoldMemory } from './hold.ts'

interface Reading {
  request: FakeRequest
  body: HeldBody
  seen: string[]
}

function reading(memory: HoldMemory): Reading {
  const request = new FakeRequest()
  const seen: string[] = []
  const body = new HeldBody(request as unknown as IncomingMessage, memory, () => 7, {
    complete: () => seen.push('complete'),
    outgrown: () => seen.push('outgrown'),
  })
  return { request, body, seen }
}

describe('the body of a held call', () => {
  it('is whole and unchanged once it has ended, and counts while it waits', () => {
    const memory: HoldMemory = { bytes: 0, totalBytes: 100, bodyBytes: 10 }
    const { request, body, seen } = reading(memory)
    request.emit('data', Buffer.from('ab'))
    request.emit('data', Buffer.from('cd'))
    expect([body.complete, memory.bytes]).toEqual([false, 4])
    request.emit('end')
    expect([body.complete, seen]).toEqual([true, ['complete']])
    expect(body.take().toString()).toBe('abcd')
    expect(memory.bytes).toBe(0)
  })

  it('may fill the bound to the last byte and not one more', () => {
    const memory: HoldMemory = { bytes: 0, totalBytes: 100, bodyBytes: 4 }
    const { request, seen } = reading(memory)
    request.emit('data', Buffer.from('abcd'))
    expect(seen).toEqual([])
    request.emit('data', Buffer.from('e'))
    expect(seen).toEqual(['outgrown'])
    expect(memory.bytes).toBe(0)
  })

  it('is bounded over all calls together', () => {
    const memory: HoldMemory = { bytes: 0, totalBytes: 5, bodyBytes: 4 }
    const first = reading(memory)
    const second = reading(memory)
    first.request.emit('data', Buffer.from('abc'))
    second.request.emit('data', Buffer.from('abc'))
    expect([first.seen, second.seen, memory.bytes]).toEqual([[], ['outgrown'], 3])
  })

  it('gives its memory back once, however often it is dropped', () => {
    const memory: HoldMemory = { bytes: 0, totalBytes: 5, bodyBytes: 4 }
    const { request, body } = reading(memory)
    request.emit('data', Buffer.from('abc'))
    body.drop()
    body.drop()
    request.emit('data', Buffer.from('abc'))
    expect(memory.bytes).toBe(0)
    expect(request.listenerCount('data')).toBe(0)
  })

  it('is refused before it is read when its announced length cannot fit', () => {
    const memory: HoldMemory = { bytes: 3, totalBytes: 5, bodyBytes: 4 }
    expect([fits(2, memory), fits(3, memory), fits(5, memory), fits(-1, memory)]).toEqual([
      true,
      false,
      false,
      true,
    ])
  })

  it('of a lower class leaves the last room to the higher ones', () => {
    const memory: HoldMemory = { bytes: 0, totalBytes: 100, bodyBytes: 100 }
    const least = (priority: Priority): number =>
      Array.from({ length: 101 }, (_, bytes) => bytes)
        .filter((bytes) => fits(bytes, memory, priority))
        .at(-1)!
    expect(PRIORITIES.map(least)).toEqual([100, 90, 90, 80])
    memory.bytes = 85
    expect(PRIORITIES.map((priority) => fits(-1, memory, priority))).toEqual([true, true, true, false])
  })
})
