import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { check } from './check.ts'

let cwd = ''
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'weir-check-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

function write(name: string, text: string): string {
  writeFileSync(join(cwd, name), text)
  return join(cwd, name)
}

describe('weir check', () => {
  it('is content with a config and its policies', () => {
    write('weir.yaml', 'upstreams: { a: http://x }\npolicies: [p.yaml]')
    write('p.yaml', 'version: 1\nrules: [{ name: r, match: { upstream: a }, then: { do: hold } }]')
    expect(check({ cwd, env: {} })).toMatchObject({ ok: true, problems: [], rules: 1 })
  })

  it('tells the problems of the config and of the policies together', () => {
    write('weir.yaml', 'upstreams: { a: http://x }\nlog: { level: loud }')
    const policy = write('p.yaml', 'version: 2')
    const result = check({ cwd, env: {}, files: [policy] })
    expect(result.ok).toBe(false)
    expect(result.problems.map((problem) => problem.path).toSorted()).toEqual(['log.level', 'version'])
  })

  it('checks policy files alone when there is no config', () => {
    const policy = write(
      'p.yaml',
      'version: 1\nrules: [{ name: r, match: { upstream: anything }, then: { do: hold } }]',
    )
    expect(check({ cwd, env: {}, files: [policy] })).toMatchObject({ ok: true, problems: [] })
  })

  it('lets warnings pass', () => {
    const policy = write(
      'p.yaml',
      'version: 1\nrules: [{ name: r, match: { upstream: elsewhere }, then: { do: hold } }]',
    )
    const result = check({ cwd, env: {}, files: [policy], flags: { upstream: ['a=http://x'] } })
    expect(result.ok).toBe(true)
    expect(result.problems.map((problem) => problem.severity)).toEqual(['warning'])
  })

  it('is not content with nothing', () => {
    expect(check({ cwd, env: {} }).ok).toBe(false)
  })
})
