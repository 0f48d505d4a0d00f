import { createHash } from 'node:crypto'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import { KeyRing, newKey } from './api-key.ts'

const NOW = Date.UTC(2026, 10, 21)

it('knows the agent of a key, and of each of several keys of one agent', () => {
  const first = newKey('kyc', NOW)
  const second = newKey('kyc', NOW)
  const other = newKey('review', NOW)
  const ring = new KeyRing([first.record, second.record, other.record])
  expect([first, second, other].map(({ key }) => ring.check(key, NOW))).toEqual(['kyc', 'kyc', 'review'])
  expect(ring.agents()).toEqual(['kyc', 'review'])
  expect(ring.size).toBe(3)
})

it('counts a key until the instant at which it expires', () => {
  const { record, key } = newKey('kyc', NOW, NOW + 1000)
  const ring = new KeyRing([record])
  expect([NOW, NOW + 999, NOW + 1000].map((at) => ring.check(key, at))).toEqual(['kyc', 'kyc', ''])
})

it('keeps of a secret of 256 random bits its SHA-256 alone', () => {
  const { record, key } = newKey('kyc', NOW, Infinity, 'one')
  const [id, secret = ''] = key.split('.')
  expect(id).toBe('one')
  expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
  expect(record.sha256).toBe(createHash('sha256').update(secret).digest('hex'))
  expect(JSON.stringify(record)).not.toContain(secret)
  expect(newKey('kyc', NOW).key).not.toBe(newKey('kyc', NOW).key)
})

it('takes nothing else for a key', () => {
  const made = [newKey('a', NOW, Infinity, 'a'), newKey('b', NOW, Infinity, 'b')]
  const ring = new KeyRing(made.map(({ record }) => record))
  const pieces = made.flatMap(({ key, record }) => [...key.split('.'), record.sha256, '.', '', ' ', 'x'])
  const right = new Set(made.map(({ key }) => key))
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string()), { maxLength: 5 }), (parts) => {
      for (const text of [parts.join(''), parts.join('.')]) {
        expect([text, ring.check(text, NOW) !== '']).toEqual([text, right.has(text)])
      }
    }),
    { numRuns: 2000 },
  )
  expect(new KeyRing([]).check(made[0]!.key, NOW)).toBe('')
})
