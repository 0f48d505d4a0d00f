/** Policies that are read again and again while calls go through (promises.md row 59). */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createCoordinator } from '../../src/core/coordinator.ts'
import { watchPolicies } from '../../src/policy/load.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { kept } from '../kit/kept.ts'
import { policyOf } from '../kit/policy.ts'
import { startProxy } from '../kit/proxy.ts'

const RELOADS = 100
const CALLERS = 3

function rule(name: string, isOn: boolean): string {
  const mode = isOn ? 'enforce' : 'shadow'
  return `  - { name: ${name}, mode: ${mode}, match: { path: /${name} }, then: { do: shed, final: true } }\n`
}

/** Both rules turn at once: half of a set would refuse both paths, or neither. */
function ruleSet(turn: number): string {
  return `version: 1\nrules:\n${rule('even', turn % 2 === 0)}${rule('odd', turn % 2 === 1)}`
}

test('100 reloads under load, every third of them bad, cost no call and take effect from the next one on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'weir-reloads-'))
  const file = join(directory, 'rules.yaml')
  await writeFile(file, ruleSet(0))
  const core = createCoordinator({ policy: policyOf(ruleSet(0)), upstreams: ['api'], seed: 1 })
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(await startProxy({ upstreams: { api: upstream.url }, core }))
  const results: boolean[] = []
  const watch = watchPolicies([file], {
    upstreams: ['api'],
    deferral: false,
    onResult: (result) => {
      results.push(result.ok)
      if (result.ok) core.adopt(result.policy, performance.now())
    },
  })
  const statusOf = async (path: string): Promise<number> => {
    const answer = await fetch(`${proxy.origin}/api/${path}`)
    await answer.text()
    return answer.status
  }
  const load = { isOver: false }
  const seen: number[] = []
  const callers = Array.from({ length: CALLERS }, async () => {
    while (!load.isOver) seen.push(await statusOf('plain'))
  })
  try {
    let good = 0
    for (let reload = 1; reload <= RELOADS; reload += 1) {
      const isBad = reload % 3 === 0
      if (!isBad) good = reload
      await writeFile(file, isBad ? 'version: 1\nrules: [{ nonsense: true }]\n' : ruleSet(reload))
      watch.reload()
      expect([await statusOf('even'), await statusOf('odd')]).toEqual(
        good % 2 === 0 ? [403, 200] : [200, 403],
      )
    }
  } finally {
    load.isOver = true
    await Promise.all(callers)
    watch.close()
    await rm(directory, { recursive: true, force: true })
  }
  expect(results.length).toBeGreaterThanOrEqual(RELOADS)
  expect(results.filter((ok) => !ok).length).toBeGreaterThanOrEqual(33)
  expect(new Set(seen)).toEqual(new Set([200]))
  expect(seen.length).toBeGreaterThan(RELOADS)
})
