import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { referenceText, schemaText, type SchemaKind } from '../../src/cli/schema.ts'

const ROOT = join(import.meta.dirname, '../..')

const SCHEMAS: readonly [SchemaKind, string][] = [
  ['policy', 'policies/schema.json'],
  ['config', 'policies/config.schema.json'],
]
const PAGES: readonly [SchemaKind, string][] = [
  ['policy', 'docs/policies.md'],
  ['config', 'docs/config.md'],
]

it.each(SCHEMAS)(
  'the committed JSON Schema of the %s file is the one that the code makes',
  async (kind, file) => {
    await expect(schemaText(kind)).toMatchFileSnapshot(join(ROOT, file))
  },
)

it.each(PAGES)('the reference page of the %s file is the one that the code makes', async (kind, file) => {
  const page = readFileSync(join(ROOT, file), 'utf8')
  const end = page.indexOf('-->\n') + '-->\n'.length
  expect(end).toBeGreaterThan(500)
  await expect(`${page.slice(0, end)}\n${referenceText(kind)}\n`).toMatchFileSnapshot(join(ROOT, file))
})

it('every key of both formats has a sentence and, when it is a value, says what is allowed', () => {
  const lines = [referenceText('policy'), referenceText('config')].join('\n').split('\n')
  const rows = lines.filter((line) => line.startsWith('| `'))
  expect(rows.length).toBeGreaterThan(100)
  for (const row of rows) {
    const [, key, allowed, , meaning] = row.split(/(?<!\\)\|/).map((cell) => cell.trim())
    expect([key, allowed]).not.toEqual([key, ''])
    expect([key, meaning]).not.toEqual([key, ''])
  }
})
