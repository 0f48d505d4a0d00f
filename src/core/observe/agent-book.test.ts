import { describe, expect, it } from 'vitest'
import { AgentBook } from './agent-book.ts'

const FACTS = {
  nameOf: (slot: number) => `agent-${slot}`,
  conditionOf: () => 'ordinary' as const,
  callsPerSecond: () => 2,
  lastSeen: () => 1000,
}

describe('AgentBook', () => {
  it('knows each agent by its slot, with what others know of it', () => {
    const book = new AgentBook(3)
    for (let call = 0; call < 20; call++) book.arrived(1, 0)
    const [reading] = book.list(5, FACTS)
    expect(reading).toMatchObject({ agent: 'agent-1', calls: 20, callsPerSecond: 2, lastSeen: 1000 })
  })

  it('lists the busiest first, and no more than asked for', () => {
    const book = new AgentBook(4)
    for (let slot = 1; slot < 4; slot++) for (let call = 0; call < slot; call++) book.arrived(slot, 0.5)
    expect(book.list(2, FACTS).map(({ agent, retries }) => [agent, retries])).toEqual([
      ['agent-3', 1.5],
      ['agent-2', 1],
    ])
  })

  it('knows nothing of the owner before', () => {
    const book = new AgentBook(2)
    book.arrived(1, 1)
    book.settled(1, true)
    book.inFlight(1, 1)
    book.clear(1)
    expect(book.list(5, FACTS)).toEqual([])
    book.arrived(1, 0)
    expect(book.list(5, FACTS)[0]).toMatchObject({
      calls: 1,
      retries: 0,
      failures: 0,
      inFlight: 0,
      held: 0,
    })
  })
})
