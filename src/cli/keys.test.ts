import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { KeyRing } from '../identity/api-key.ts'
import { addKey, keyTable, listKeys, revokeKey } from './keys.ts'

const NOW = Date.UTC(2026, 10, 21)
let dir = ''
let file = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-keys-'))
  file = join(dir, 'keys.yaml')
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

it('makes a key whose hash alone is in a file that only its owner reads', () => {
  const key = addKey({ file, agent: 'kyc', expires: '90d', now: NOW })
  expect(new KeyRing(listKeys(file)).check(key, NOW)).toBe('kyc')
  expect(new KeyRing(listKeys(file)).check(key, NOW + 90 * 86_400_000)).toBe('')
  expect(readFileSync(file, 'utf8')).not.toContain(key.split('.')[1])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(readdirSync(dir)).toEqual(['keys.yaml'])
})

it('lists what there is, and takes one away', () => {
  addKey({ file, agent: 'kyc', id: 'one', now: NOW })
  addKey({ file, agent: 'review', id: 'two', expires: '12h', now: NOW })
  expect(keyTable(listKeys(file), NOW + 86_400_000)).toBe(
    [
      'ID   AGENT   MADE              EXPIRES           STATE',
      'one  kyc     2026-11-21 00:00  -                 in force',
      'two  review  2026-11-21 00:00  2026-11-21 12:00  over',
    ].join('\n'),
  )
  expect(revokeKey(file, 'one')).toBe(true)
  expect(revokeKey(file, 'one')).toBe(false)
  expect(listKeys(file).map(({ id }) => id)).toEqual(['two'])
})

it('says what is wrong, and leaves the file as it is', () => {
  addKey({ file, agent: 'kyc', id: 'one', now: NOW })
  const before = readFileSync(file, 'utf8')
  expect(() => addKey({ file, agent: 'k y', now: NOW })).toThrow(/--agent.*letters/)
  expect(() => addKey({ file, agent: 'kyc', expires: 'soon', now: NOW })).toThrow(/--expires.*90d/)
  expect(() => addKey({ file, agent: 'kyc', id: 'a.b', now: NOW })).toThrow(/--id/)
  expect(() => addKey({ file, agent: 'kyc', id: 'one', now: NOW })).toThrow(/two keys have the id one/)
  expect(readFileSync(file, 'utf8')).toBe(before)
  writeFileSync(file, 'keys: {')
  expect(() => addKey({ file, agent: 'kyc', now: NOW })).toThrow(/keys\.yaml/)
  expect(() => listKeys(join(dir, 'none.yaml'))).toThrow(/weir keys new/)
  expect(readFileSync(file, 'utf8')).toBe('keys: {')
})
