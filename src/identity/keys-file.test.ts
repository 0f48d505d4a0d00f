import { expect, it } from 'vitest'
import { newKey } from './api-key.ts'
import { readKeys, withKey, withoutKey } from './keys-file.ts'

const SHA = 'a'.repeat(64)

it('reads back what it wrote', () => {
  const made = [newKey('kyc', 1_700_000_000_000), newKey('a:b', 1_700_000_000_000, 1_800_000_000_000)]
  const text = made.reduce((before, { record }) => withKey('keys.yaml', before, record), '')
  expect(readKeys('keys.yaml', text)).toEqual({ ok: true, records: made.map(({ record }) => record) })
  expect(text.endsWith('\n')).toBe(true)
})

it('keeps the comments and the order of whoever else writes the file', () => {
  const text = `# ours\nkeys:\n  # the first\n  - { id: one, agent: kyc, sha256: ${SHA} } # of May\n`
  const more = withKey('keys.yaml', text, newKey('b', 0, Infinity, 'two').record)
  expect(more.startsWith(text)).toBe(true)
  expect(withoutKey('keys.yaml', more, 'two')).toBe(text)
  expect(withoutKey('keys.yaml', more, 'three')).toBeUndefined()
})

it('takes an empty file for no keys', () => {
  expect(readKeys('keys.yaml', '')).toEqual({ ok: true, records: [] })
  expect(readKeys('keys.yaml', 'keys: []')).toEqual({ ok: true, records: [] })
})

it.each([
  [`keys: [{ id: a, agent: kyc, sha256: short }]`, /sha256.*64 hex digits/],
  [`keys: [{ id: a, agent: 'k y', sha256: ${SHA} }]`, /agent.*letters/],
  [`keys: [{ id: a.b, agent: kyc, sha256: ${SHA} }]`, /id.*letters, digits, - and _/],
  [`keys: [{ id: a, agent: kyc, sha256: ${SHA}, expires: soon }]`, /expires.*RFC 3339/],
  [`keys: [{ id: a, agent: kyc, sha256: ${SHA}, secret: x }]`, /unknown key "secret"/],
  [
    `keys: [{ id: a, agent: kyc, sha256: ${SHA} }, { id: a, agent: b, sha256: ${SHA} }]`,
    /two keys have the id a/,
  ],
  ['keys: {', /keys\.yaml/],
])('refuses as a whole what is not in order: %s', (text, problem) => {
  const read = readKeys('keys.yaml', text)
  expect(read.ok ? [] : read.problems.join('\n')).toMatch(problem)
  expect(() => withKey('keys.yaml', text, newKey('b', 0).record)).toThrow(problem)
})
