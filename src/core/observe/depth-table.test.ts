import { describe, expect, it } from 'vitest'
import { DepthTable } from './depth-table.ts'

describe('depth table', () => {
  it('counts levels below a name that has no parent', () => {
    const depths = new DepthTable()
    expect(depths.depthOf('root')).toBe(0)
    expect(depths.place('child', 'root')).toBe(1)
    expect(depths.place('grandchild', 'child')).toBe(2)
    expect(depths.depthOf('grandchild')).toBe(2)
  })

  it('stops counting where a circle of parents would go on for ever', () => {
    const depths = new DepthTable()
    for (let index = 0; index < 1000; index++) {
      depths.place('a', 'b')
      depths.place('b', 'a')
    }
    expect(depths.depthOf('a')).toBe(255)
  })

  it('forgets the oldest of a set, never more than its size', () => {
    const depths = new DepthTable(4)
    for (let index = 0; index < 5; index++) depths.place(`n${index}`, 'root')
    expect(depths.depthOf('n0')).toBe(0)
    expect(depths.depthOf('n4')).toBe(1)
  })
})
