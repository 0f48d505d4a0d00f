import { describe, expect, it } from 'vitest'
import { RouteBook } from './route-book.ts'

describe('RouteBook', () => {
  it('gives one number to one route of one upstream', () => {
    const book = new RouteBook()
    const numbers = [book.index(0, '/a'), book.index(0, '/b'), book.index(1, '/a'), book.index(0, '/a')]
    expect(new Set(numbers).size).toBe(3)
    expect(numbers[3]).toBe(numbers[0])
  })

  it('is bounded: routes past the first 255 share number 0', () => {
    const book = new RouteBook()
    const numbers = Array.from({ length: 1000 }, (_, index) => book.index(index % 3, `/r/${index}`))
    expect(Math.max(...numbers)).toBe(255)
    expect(numbers.filter((number) => number === 0)).toHaveLength(745)
  })
})
