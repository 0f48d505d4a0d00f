import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { EXCHANGE, LEAVE } from './scripts.ts'

describe('the scripts', () => {
  it.each([
    ['exchange.lua', EXCHANGE],
    ['leave.lua', LEAVE],
  ])('are what %s says', (file, script) => {
    expect(script).toBe(readFileSync(join(import.meta.dirname, 'scripts', file), 'utf8'))
  })
})
