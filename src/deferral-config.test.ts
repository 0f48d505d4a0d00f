import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readConfig } from './config.ts'
import { formatProblem } from './policy/problems.ts'

let dir: string
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weir-deferral-config-'))
  await writeFile(join(dir, 'key'), 'k'.repeat(40))
  await writeFile(join(dir, 'short'), 'short')
})
afterEach(async () => await rm(dir, { recursive: true, force: true }))

async function read(block: string, more = '', env: Record<string, string> = {}) {
  const path = join(dir, 'weir.yaml')
  await writeFile(path, `upstreams: { up: http://127.0.0.1:1 }\n${more}\ndeferral: ${block}\n`)
  return readConfig({ env, flags: { config: path } })
}
async function problems(block: string, more?: string, env?: Record<string, string>): Promise<string> {
  const config = await read(block, more, env)
  return config.ok ? 'accepted' : config.problems.map(formatProblem).join('\n')
}

describe('the deferral block', () => {
  it('is absent by default, and a store that is none is the same', async () => {
    expect(await read('{}')).toMatchObject({ ok: true, config: { deferral: undefined } })
    expect(await read('{ store: none, dir: x }')).toMatchObject({ ok: true, config: { deferral: undefined } })
  })

  it('takes lmdb with a directory, and redis with an address, each with keys', async () => {
    expect(await read('{ store: lmdb, dir: spool, keyFiles: [key] }')).toMatchObject({
      ok: true,
      config: { deferral: { store: { kind: 'lmdb', dir: join(dir, 'spool') }, keys: ['k'.repeat(40)] } },
    })
    expect(await read("{ store: redis, redis: 'redis://h:1', keyFiles: [key] }")).toMatchObject({
      ok: true,
      config: { deferral: { store: { kind: 'redis', prefix: 'weir-deferred' }, ttlMs: 86_400_000 } },
    })
  })

  it.each([
    ['{ store: lmdb, keyFiles: [key] }', 'without deferral.dir'],
    ['{ store: redis, keyFiles: [key] }', 'without deferral.redis'],
    ['{ store: lmdb, dir: spool }', 'in the clear'],
    ['{ store: lmdb, dir: spool, keyFiles: [none] }', 'cannot be read'],
    ['{ store: lmdb, dir: spool, keyFiles: [key, short] }', 'holds 5 characters'],
    ['{ store: lmdb, dir: spool, keyFiles: [key], credentials: { other: { a: b } } }', 'not there: other'],
    ['{ store: disk }', 'none, lmdb, redis'],
  ])('%s is refused: %s', async (block, text) => {
    expect(await problems(block)).toContain(text)
  })

  it('lmdb with several workers is refused: one process writes to a directory', async () => {
    expect(await problems('{ store: lmdb, dir: s, keyFiles: [key] }', 'workers: 2')).toContain('2 workers')
  })

  it('in a pod a directory that goes with it is refused, unless it is said to be a trial', async () => {
    const pod = { KUBERNETES_SERVICE_HOST: '10.0.0.1' }
    const inMemory = '{ store: lmdb, dir: /dev/shm/weir, keyFiles: [key] }'
    expect(await problems(inMemory, '', pod)).toContain('202 would promise an answer that a restart loses')
    const trial = '{ store: lmdb, dir: /dev/shm/weir, keyFiles: [key], volatile: true }'
    expect(await problems(trial, '', pod)).toBe('accepted')
  })

  it('shows no credential in what it complains about', async () => {
    const block =
      '{ store: lmdb, dir: s, keyFiles: [key], credentials: { up: { authorization: "a\\u0007canary" } } }'
    expect(await problems(block)).not.toContain('canary')
  })
})
