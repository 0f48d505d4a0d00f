import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { IdentityTable, OTHER_SLOT } from './identity-table.ts'

describe('identity table', () => {
  it('gives a name the same slot each time, and its own', () => {
    const table = new IdentityTable({ size: 4, idleMs: 1000 })
    const first = table.slot('a', 0)
    expect(table.slot('b', 1)).not.toBe(first)
    expect(table.slot('a', 2)).toBe(first)
    expect(table.nameOf(first)).toBe('a')
    expect(table.known).toBe(2)
  })

  it('gives the slot of an idle name to a newcomer after an idle hour, and says so first', () => {
    const evicted: string[] = []
    const table: IdentityTable = new IdentityTable({
      size: 1,
      idleMs: 1000,
      onEvict: (slot) => void evicted.push(table.nameOf(slot)),
    })
    const slot = table.slot('old', 0)
    table.slot('old', 1)
    expect(table.slot('new', 3_600_000)).toBe(slot)
    expect(evicted).toEqual(['old'])
    expect(table.generationOf(slot)).toBe(1)
    expect(table.find('old')).toBe(-1)
  })

  it('sends newcomers of a burst to the shared slot when all others are in regular use', () => {
    const table = new IdentityTable({ size: 2, idleMs: 1000 })
    for (const name of ['a', 'b', 'a', 'b']) table.slot(name, 0)
    expect(table.slot('c', 0)).toBe(OTHER_SLOT)
    expect(table.nameOf(OTHER_SLOT)).toBe('other')
    expect(table.known).toBe(2)
  })

  it('never evicts a busy slot, however long it is silent', () => {
    const table = new IdentityTable({ size: 1, idleMs: 1000 })
    const slot = table.slot('busy', 0)
    table.pin(slot)
    expect(table.slot('c', 1e9)).toBe(OTHER_SLOT)
    expect(table.evict(slot)).toBe(false)
    table.unpin(slot)
    expect(table.slot('c', 1e9)).toBe(slot)
  })

  it('ignores an unpin too many', () => {
    const table = new IdentityTable({ size: 1, idleMs: 1000 })
    const slot = table.slot('a', 0)
    table.unpin(slot)
    table.pin(slot)
    expect(table.isPinned(slot)).toBe(true)
  })

  it('uses a freed slot again', () => {
    const table = new IdentityTable({ size: 2, idleMs: 1000 })
    const slot = table.slot('a', 0)
    table.slot('b', 0)
    expect(table.evict(slot)).toBe(true)
    expect(table.nameOf(slot)).toBe('')
    expect(table.slot('c', 0)).toBe(slot)
    expect(table.evict(OTHER_SLOT)).toBe(false)
  })

  it('keeps memory flat and its regulars in their slots through a million invented names', () => {
    const table = new IdentityTable({ size: 1000, idleMs: 60_000 })
    const regulars = Array.from({ length: 50 }, (_, index) => `agent-${index}`)
    const slots = regulars.map((name) => table.slot(name, 0))
    for (const name of regulars) table.slot(name, 1)
    const { bytes } = table
    for (let index = 0; index < 1_000_000; index++) {
      table.slot(`invented-${index}`, 2 + index / 100)
      if (index % 20_000 === 0) for (const name of regulars) table.slot(name, 2 + index / 100)
    }
    expect(table.bytes).toBe(bytes)
    expect(table.known).toBeLessThanOrEqual(1000)
    expect(regulars.map((name) => table.find(name))).toEqual(slots)
  })

  it('holds a hundred thousand agents in under 4 MB of arrays, names apart', () => {
    const table = new IdentityTable({ size: 100_000, idleMs: 60_000 })
    for (let index = 0; index < 100_000; index++) table.slot(`agent-${index}`, 0)
    expect(table.known).toBe(100_000)
    expect(table.bytes).toBeLessThan(4_000_000)
  })

  it('refuses a size that is not a whole number of at least one', () => {
    expect(() => new IdentityTable({ size: 0, idleMs: 1 })).toThrow('size must be a whole number >= 1, got 0')
  })

  it('never lets two live names share a slot, nor a pinned name lose its own', () => {
    const action = fc.tuple(
      fc.constantFrom('seen', 'pin', 'unpin', 'evict'),
      fc.integer({ min: 0, max: 12 }),
      fc.nat(500),
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
        const table = new IdentityTable({ size: 5, idleMs: 300 })
        const pinned = new Map<string, { slot: number; pins: number }>()
        let at = 0
        for (const [kind, id, gap] of actions) {
          const name = `n${id}`
          at += gap
          const held = pinned.get(name)
          if (kind === 'unpin' && held !== undefined) {
            table.unpin(held.slot)
            held.pins -= 1
            if (held.pins === 0) pinned.delete(name)
          } else if (kind === 'evict') table.evict(table.find(name))
          else if (kind !== 'unpin') {
            const slot = table.slot(name, at)
            if (kind === 'pin' && slot !== OTHER_SLOT) {
              table.pin(slot)
              if (held === undefined) pinned.set(name, { slot, pins: 1 })
              else held.pins += 1
            }
          }
          for (const [busy, { slot }] of pinned) expect(table.find(busy)).toBe(slot)
          const live = Array.from({ length: 13 }, (_, index) => table.find(`n${index}`)).filter(
            (slot) => slot !== -1,
          )
          expect(new Set(live).size).toBe(live.length)
          expect(table.known).toBe(live.length)
        }
      }),
    )
  })
})
