/** Documents age: what they name must exist. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const ROOT = join(import.meta.dirname, '..', '..')
const DOCUMENTS = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8')
}

describe.each(DOCUMENTS)('%s', (file) => {
  it('names only files that exist', () => {
    const named = [...read(file).matchAll(/`((?:src|policies|bench|test|docs|helm|\.ci)\/[\w./-]+\.\w+)`/g)]
    const missing = named.map((match) => match[1] as string).filter((path) => !existsSync(join(ROOT, path)))
    expect(missing).toEqual([])
  })

  it('names only npm scripts that exist', () => {
    const scripts = Object.keys((JSON.parse(read('package.json')) as { scripts: object }).scripts)
    const named = [...read(file).matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(
      (match) => match[1] as string,
    )
    expect(named.filter((name) => !scripts.includes(name))).toEqual([])
  })
})
