import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { PolicyNews } from './admin/policy-news.ts'
import type { Policy } from './core/policy.ts'
import { keepPolicies, type PolicyKeeper } from './policy-keeper.ts'
import { createLog } from './telemetry/log.ts'

const rule = (name: string, mode: string, verdict = 'hold'): string =>
  `  - { name: ${name}, mode: ${mode}, then: { do: ${verdict} } }\n`
const file = (...rules: string[]): string => `version: 1\nrules:\n${rules.join('')}`

let directory: string
let path: string
let keeper: PolicyKeeper
let adopted: Policy[]
let news: PolicyNews[]
let lines: string[]

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'weir-keeper-'))
  path = join(directory, 'p.yaml')
  await writeFile(path, file(rule('one', 'shadow'), rule('later', 'shadow', 'defer')))
  adopted = []
  news = []
  lines = []
  const sink = { write: (line: string) => void lines.push(line) }
  const log = createLog({ level: 'debug', access: false, clock: () => 0, sink })
  const onNews = (told: PolicyNews): void => void news.push(told)
  keeper = keepPolicies([path], { upstreams: ['up'], deferral: false }, { log, wall: () => 0, onNews })
})
afterEach(async () => {
  keeper.stop()
  await rm(directory, { recursive: true, force: true })
})

const watch = (): void => keeper.watch((policy) => adopted.push(policy))
const modes = (): string[] => keeper.policy.rules.map((each) => each.mode)
async function reloaded(): Promise<void> {
  const before = news.length
  for (let tries = 0; news.length === before && tries < 500; tries++)
    await new Promise((r) => setTimeout(r, 10))
  expect(news.length).toBe(before + 1)
}

describe('switching a rule', () => {
  it('puts the mode in force at once, and says so in the status, the log and the news', () => {
    watch()
    const change = keeper.setMode('p/one', 'enforce', '127.0.0.1')
    expect(change).toEqual({
      ok: true,
      id: 'p/one',
      from: 'shadow',
      mode: 'enforce',
      fileMode: 'shadow',
      override: true,
    })
    expect(adopted.at(-1)?.rules[0]?.mode).toBe('enforce')
    expect(keeper.status.overrides).toEqual(new Map([['p/one', 'enforce']]))
    expect(news).toEqual([{ name: 'rule-mode-changed', change }])
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ level: 'warn', rule: 'p/one', by: '127.0.0.1' })
  })

  it('back to the mode of the file is no override any more; to the mode in force is nothing', () => {
    watch()
    keeper.setMode('p/one', 'enforce', '')
    keeper.setMode('p/one', 'enforce', '')
    expect(news).toHaveLength(1)
    expect(keeper.setMode('p/one', 'shadow', '')).toMatchObject({ override: false, from: 'enforce' })
    expect(keeper.status.overrides).toEqual(new Map())
    expect(modes()).toEqual(['shadow', 'shadow'])
  })

  it('is refused for a rule that is not there, for what the files could not say, and before and after the run', () => {
    expect(keeper.setMode('p/one', 'enforce', '')).toMatchObject({ ok: false, why: 'not-running' })
    watch()
    expect(keeper.setMode('p/two', 'enforce', '')).toMatchObject({ ok: false, why: 'unknown' })
    const refused = keeper.setMode('p/later', 'enforce', '')
    expect(refused).toMatchObject({
      ok: false,
      why: 'impossible',
      detail: expect.stringContaining('deferral'),
    })
    expect(adopted).toEqual([])
    keeper.stop()
    expect(keeper.setMode('p/one', 'enforce', '')).toMatchObject({ ok: false, why: 'not-running' })
  })

  it('outlives a reload that is refused, and ends with the next good one', async () => {
    watch()
    keeper.setMode('p/one', 'enforce', '')
    await writeFile(path, 'version: 1\nrules: [{ name: one }]\n')
    await reloaded()
    expect(news.at(-1)?.name).toBe('policies-refused')
    expect(modes()).toEqual(['enforce', 'shadow'])
    await writeFile(path, file(rule('one', 'shadow'), rule('two', 'shadow')))
    await reloaded()
    expect(news.at(-1)).toEqual({ name: 'policies-loaded', rules: 2, ended: ['p/one'] })
    expect(modes()).toEqual(['shadow', 'shadow'])
    expect(keeper.status.overrides).toBe(undefined)
    expect(adopted.at(-1)?.rules.map((each) => each.mode)).toEqual(['shadow', 'shadow'])
  })
})
