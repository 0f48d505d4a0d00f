import { describe, expect, it } from 'vitest'
import { Generations } from './generations.ts'

/** Every call of a generation ends before the next one begins, each begets `branching` calls. */
function tree(generations: Generations, branching: number, levels: number): void {
  let width = 1
  let open = 0
  for (let call = 0; call < width; call++) {
    generations.arrive(0)
    open += 1
  }
  for (let level = 1; level < levels; level++) {
    for (let call = 0; call < width; call++) {
      open -= 1
      generations.settle(0, open)
      for (let child = 0; child < branching; child++) {
        generations.arrive(0)
        open += 1
      }
    }
    width *= branching
  }
}

describe('generations', () => {
  it('sees no growth in calls one after the other', () => {
    const generations = new Generations(1)
    for (let call = 0; call < 100; call++) {
      generations.arrive(0)
      expect(generations.growths(0)).toBe(0)
      generations.settle(0, 0)
    }
  })

  it('sees no growth in a pool that stays as wide as it is', () => {
    const generations = new Generations(1)
    for (let call = 0; call < 10; call++) generations.arrive(0)
    for (let call = 0; call < 200; call++) {
      generations.settle(0, 9)
      generations.arrive(0)
      expect(generations.growths(0)).toBe(0)
    }
  })

  it('sees no growth in one burst of any width', () => {
    const generations = new Generations(1)
    for (let call = 0; call < 500; call++) generations.arrive(0)
    expect(generations.growths(0)).toBe(0)
  })

  it.each([2, 3, 5])('sees each level of a tree with branching %i as growth', (branching) => {
    const generations = new Generations(1)
    tree(generations, branching, 4)
    expect(generations.growths(0)).toBe(3)
    expect(generations.size(0)).toBe(branching ** 3)
  })

  it('forgets growth when a generation is no larger than the one before', () => {
    const generations = new Generations(1)
    tree(generations, 2, 4)
    for (let open = 7; open >= 0; open--) generations.settle(0, open)
    generations.arrive(0)
    generations.settle(0, 0)
    expect(generations.growths(0)).toBe(0)
  })
})
