import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Compiled } from './compile.ts'
import { fingerprintOf, loadPolicies, watchPolicies, type PolicyWatch } from './load.ts'

const OPTIONS = { upstreams: ['openai'], deferral: false }
let folder = ''
let watching: PolicyWatch | undefined

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-policies-'))
})
afterEach(() => {
  watching?.close()
  watching = undefined
  rmSync(folder, { recursive: true, force: true })
})

function write(name: string, rule: string): void {
  writeFileSync(join(folder, name), `version: 1\nrules: [{ name: ${rule}, then: { do: hold } }]\n`)
}

function ids(result: Compiled | undefined): readonly string[] | undefined {
  return result?.ok === true ? result.policy.rules.map((rule) => rule.id) : undefined
}

function watchFolder(since = fingerprintOf([folder])): Compiled[] {
  const results: Compiled[] = []
  watching = watchPolicies([folder], {
    ...OPTIONS,
    since,
    lookEveryMs: 20,
    onResult: (result) => results.push(result),
  })
  return results
}

describe('loadPolicies', () => {
  it('reads the yaml files of a folder and leaves hidden ones and others alone', () => {
    write('b.yaml', 'two')
    write('a.yml', 'one')
    write('.hidden.yaml', 'no')
    write('notes.txt', 'no')
    mkdirSync(join(folder, 'deeper.yaml.d'))
    expect(ids(loadPolicies([folder], OPTIONS))).toEqual(['a/one', 'b/two'])
  })

  it('refuses the whole set for one broken file, and tells all problems of all files', () => {
    write('a.yaml', 'fine')
    writeFileSync(join(folder, 'b.yaml'), 'version: 3')
    writeFileSync(join(folder, 'c.yaml'), 'version: 1\nrulez: []')
    const result = loadPolicies([folder], OPTIONS)
    expect(result.ok).toBe(false)
    expect(result.problems.map((problem) => problem.path)).toEqual(['version', 'rulez'])
  })

  it('says which path cannot be read', () => {
    const result = loadPolicies([join(folder, 'gone.yaml')], OPTIONS)
    expect(result.ok).toBe(false)
    expect(result.problems[0]?.found).toBe('cannot be read (ENOENT)')
  })

  it('reads a file once that is named twice', () => {
    write('a.yaml', 'one')
    expect(ids(loadPolicies([folder, join(folder, 'a.yaml')], OPTIONS))).toEqual(['a/one'])
  })
})

describe('watchPolicies', () => {
  it('tells the next set after a change, and a refusal after a broken one', async () => {
    write('a.yaml', 'one')
    const results = watchFolder()
    watching?.reload()
    expect(ids(results.at(-1))).toEqual(['a/one'])
    writeFileSync(join(folder, 'a.yaml'), 'version: 1\nrules: broken')
    await vi.waitFor(() => expect(results.at(-1)?.ok).toBe(false))
    write('a.yaml', 'mended')
    await vi.waitFor(() => expect(ids(results.at(-1))).toEqual(['a/mended']))
  })

  it('loses no change that came between the first reading and the watch', async () => {
    write('a.yaml', 'one')
    const since = fingerprintOf([folder])
    write('a.yaml', 'two-and-longer')
    const results = watchFolder(since)
    await vi.waitFor(() => expect(ids(results.at(-1))).toEqual(['a/two-and-longer']))
  })

  it('follows the symlink swap of a mounted ConfigMap', async () => {
    for (const version of ['v1', 'v2']) {
      mkdirSync(join(folder, `..${version}`))
      writeFileSync(
        join(folder, `..${version}`, 'a.yaml'),
        `version: 1\nrules: [{ name: ${version}, then: { do: hold } }]\n`,
      )
    }
    symlinkSync('..v1', join(folder, '..data'))
    symlinkSync(join('..data', 'a.yaml'), join(folder, 'a.yaml'))
    const results = watchFolder()
    watching?.reload()
    expect(ids(results.at(-1))).toEqual(['a/v1'])
    symlinkSync('..v2', join(folder, '..next'))
    renameSync(join(folder, '..next'), join(folder, '..data'))
    await vi.waitFor(() => expect(ids(results.at(-1))).toEqual(['a/v2']))
  })

  it('notices a file that is added and one that goes', async () => {
    write('a.yaml', 'one')
    const results = watchFolder()
    watching?.reload()
    write('b.yaml', 'two')
    await vi.waitFor(() => expect(ids(results.at(-1))).toEqual(['a/one', 'b/two']))
    rmSync(join(folder, 'a.yaml'))
    await vi.waitFor(() => expect(ids(results.at(-1))).toEqual(['b/two']))
  })

  it('reloads only what differs, and nothing after it is closed', async () => {
    write('a.yaml', 'one')
    const results = watchFolder()
    watching?.reload()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(results).toHaveLength(1)
    watching?.close()
    write('a.yaml', 'two')
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(results).toHaveLength(1)
  })
})
