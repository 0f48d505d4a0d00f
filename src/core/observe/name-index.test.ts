import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { NameIndex } from './name-index.ts'

describe('NameIndex', () => {
  it('finds each of ten thousand names that differ in their last digits, and none of the others', () => {
    const index = new NameIndex(10_000, 7)
    for (let slot = 0; slot < 10_000; slot++) expect(index.add(`agent-${slot}`, slot)).toBe(true)
    for (let slot = 0; slot < 10_000; slot++) expect(index.find(`agent-${slot}`)).toBe(slot)
    expect(index.find('agent-10000')).toBe(-1)
    expect(index.size).toBe(10_000)
  })

  it('refuses a name whose places are taken, and has it once one is free', () => {
    const index = new NameIndex(1, 7)
    let slot = 0
    while (index.add(`name-${slot}`, slot)) slot += 1
    expect(slot).toBe(32)
    expect(index.find(`name-${slot}`)).toBe(-1)
    index.remove(3)
    expect(index.nameOf(3)).toBe('')
    expect(index.add(`name-${slot}`, slot)).toBe(true)
    expect(index.find(`name-${slot}`)).toBe(slot)
  })

  it('needs no more memory for a million names that come and go', () => {
    const index = new NameIndex(100, 7)
    const { bytes } = index
    for (let name = 0; name < 1_000_000; name++) {
      if (name >= 50) index.remove(name % 50)
      index.add(`name-${name}`, name % 50)
    }
    expect(index.bytes).toBe(bytes)
    expect(index.size).toBe(50)
  })

  it('answers as a Map does, whatever the seed', () => {
    const action = fc.record({ remove: fc.boolean(), name: fc.string({ maxLength: 3 }) })
    fc.assert(
      fc.property(fc.array(action, { maxLength: 100 }), fc.integer(), (actions, seed) => {
        const index = new NameIndex(200, seed)
        const model = new Map<string, number>()
        for (const [slot, { remove, name }] of actions.entries()) {
          const known = model.get(name)
          if (remove && known !== undefined) {
            index.remove(known)
            model.delete(name)
          } else if (!remove && known === undefined) {
            index.add(name, slot)
            model.set(name, slot)
          }
          expect(index.find(name)).toBe(model.get(name) ?? -1)
          expect(index.size).toBe(model.size)
        }
        for (const [name, slot] of model) expect(index.nameOf(slot)).toBe(name)
      }),
    )
  })
})
