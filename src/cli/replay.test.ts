import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { parsePolicy } from '../policy/load.ts'
import { compilePolicy } from '../policy/compile.ts'
import { recordedLines } from '../../test/kit/recorded-lines.ts'
import type { Scenario } from '../../test/kit/sim/scenario.ts'
import { ConfigError } from '../config.ts'
import { replayCommand } from './replay.ts'

const POLICY = `version: 1
upstreams: { '*': { drift: { warmUp: 5s } } }
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 5s } }
`
const SCENARIO: Scenario = {
  name: 'verb',
  seed: 3,
  durationMs: 40_000,
  upstreams: {
    api: {
      servers: 4,
      serviceMs: 100,
      sigma: 0.3,
      queue: 50,
      phases: [{ from: 20_000, until: 30_000, slow: 8 }],
    },
  },
  trouble: { from: 20_000, until: 30_000, upstream: 0 },
  populations: [
    {
      name: 'jobs',
      agents: 10,
      upstream: 0,
      perSecond: 1.5,
      priority: 'normal',
      timeoutMs: 4000,
      deadlineMs: 30_000,
      family: 'openai-js',
      bytes: 500,
    },
  ],
}

const dir = mkdtempSync(join(tmpdir(), 'weir-replay-'))
const journal = join(dir, 'journal-00001.ndjson')
const policies = join(dir, 'own.yaml')
let text = ''

beforeAll(() => {
  const { file } = parsePolicy('own.yaml', POLICY)
  const compiled = compilePolicy(file === undefined ? [] : [file], { upstreams: ['api'], deferral: false })
  if (!compiled.ok) throw new Error('the policy of the test is not in order')
  const { lines } = recordedLines(SCENARIO, compiled.policy)
  text = lines.map((line) => `${JSON.stringify(line)}\n`).join('')
  writeFileSync(policies, POLICY)
})

afterAll(() => rmSync(dir, { recursive: true }))
afterEach(() => {
  process.exitCode = undefined
})

function exitCode(): number {
  return typeof process.exitCode === 'number' ? process.exitCode : 0
}

/** What the verb prints, and the exit code that it asks for. */
async function run(...words: string[]): Promise<{ out: string; err: string; code: number }> {
  let [out, err] = ['', '']
  process.exitCode = undefined
  const onOut = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((chunk) => ((out += String(chunk)), true))
  const onErr = vi
    .spyOn(process.stderr, 'write')
    .mockImplementation((chunk) => ((err += String(chunk)), true))
  try {
    await replayCommand().exitOverride().parseAsync(words, { from: 'user' })
    return { out, err, code: exitCode() }
  } finally {
    onOut.mockRestore()
    onErr.mockRestore()
  }
}

describe('weir replay', () => {
  it('verifies a journal under the policies of then', async () => {
    writeFileSync(journal, text)
    const { out, code } = await run(journal, '--policies', policies, '--verify')
    expect(out).toMatch(/^([\d,]+) calls, \1 verdicts the same\n$/)
    expect(code).toBe(0)
  })

  it('plays the workers of one directory each on a core of its own, side by side in time', async () => {
    const workers = join(dir, 'workers')
    for (const number of [1, 2]) {
      const own = join(workers, `worker-${number}`)
      mkdirSync(own, { recursive: true })
      writeFileSync(join(own, 'weir-1.ndjson'), text.replace('"run":"verb"', `"run":"verb-${number}"`))
    }
    writeFileSync(journal, text)
    const [alone, both] = [
      JSON.parse((await run(journal, '--policies', policies, '--json')).out) as { journal: object },
      JSON.parse((await run(workers, '--policies', policies, '--json')).out) as { journal: object },
    ]
    const { calls, durationMs } = alone.journal as { calls: number; durationMs: number }
    expect(both.journal).toMatchObject({ runs: 2, calls: 2 * calls, durationMs, exact: true })
    const verified = await run(workers, '--policies', policies, '--verify')
    expect(verified.out).toMatch(/^([\d,]+) calls, \1 verdicts the same\n$/)
  })

  it('lists the first differences under others, and fails', async () => {
    const other = join(dir, 'other.yaml')
    writeFileSync(other, POLICY.replace('max: 5s', 'max: 2s'))
    const { out, err, code } = await run(journal, '--policies', other, '--verify')
    expect(out).toMatch(/verdicts the same, \d+ different:\n {2}\S+ at .*\n {4}then hold.*\n {4}now/)
    expect(err).toContain('not the policies that were in force')
    expect(code).toBe(1)
  })

  it('prints a table, JSON, and a page', async () => {
    const page = join(dir, 'page.html')
    const words = [journal, '--policies', policies, '--against', policies]
    const table = await run(...words, '--report', page)
    expect(table.out).toContain('What this cannot know:')
    expect(table.out).toMatch(/api +A +own\/hold +\d+|A +own\/hold +\d+/)
    expect(readFileSync(page, 'utf8')).toContain('</html>')
    const parsed: unknown = JSON.parse((await run(...words, '--json')).out)
    expect(parsed).toMatchObject({ mode: 'open-loop', journal: { runs: 1 }, against: { name: policies } })
  })

  it('lets models react in a closed loop', async () => {
    const { out } = await run(journal, '--policies', policies, '--closed-loop')
    expect(out).toContain('without Weir')
    const json: unknown = JSON.parse(
      (await run(journal, '--policies', policies, '--closed-loop', '--json')).out,
    )
    expect(json).toMatchObject({ mode: 'closed-loop', policies: { name: policies } })
  })

  it('turns rules in shadow mode on when it is asked to', async () => {
    const shadow = join(dir, 'shadow.yaml')
    writeFileSync(shadow, POLICY.replace('mode: enforce', 'mode: shadow'))
    expect((await run(journal, '--policies', shadow)).out).toContain('shadow/hold (shadow)')
    const { out } = await run(journal, '--policies', shadow, '--enforce')
    expect(out).toMatch(/shadow\/hold +\d+/)
  })

  it('has one clear error for a journal that is broken, with its line, and the good part on request', async () => {
    const broken = join(dir, 'broken.ndjson')
    const lines = text.split('\n')
    lines[10] = '{"kind":"call","id":7}'
    writeFileSync(broken, lines.join('\n'))
    const refused = await run(broken, '--policies', policies)
    expect(refused).toMatchObject({ code: 1, out: '' })
    expect(refused.err).toMatch(/^weir: .*broken\.ndjson:11: .*--keep-good.*\n$/)
    const kept = await run(broken, '--policies', policies, '--keep-good')
    expect(kept.code).toBe(0)
    expect(kept.err).toMatch(/left out: .*broken\.ndjson:11/)
    expect(kept.out).toContain('The journal is not whole')
  })

  it('has one clear error for what is no journal, and for what is not there', async () => {
    const foreign = join(dir, 'foreign.ndjson')
    writeFileSync(foreign, '{"hello":"world"}\n')
    for (const path of [foreign, join(dir, 'nowhere')]) {
      const { err, code } = await run(path, '--policies', policies)
      expect(err.trimEnd().split('\n')).toHaveLength(1)
      expect(code).toBe(1)
    }
  })

  it('says so when nothing of it is a journal', async () => {
    const foreign = join(dir, 'foreign.ndjson')
    const { err, code } = await run(foreign, '--policies', policies, '--keep-good')
    expect(err).toContain('no header')
    expect(code).toBe(1)
  })

  it('refuses a mistake in the command line or the policies as such', async () => {
    await expect(run(journal)).rejects.toMatchObject({ code: 'commander.missingMandatoryOptionValue' })
    await expect(run(journal, '--policies', join(dir, 'none.yaml'))).rejects.toThrow(ConfigError)
    await expect(run(journal, '--policies', policies, '--seed', 'x')).rejects.toThrow('whole number')
  })
})
