import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { policyOf } from '../../../test/kit/policy.ts'
import { callsOf, recordedLines } from '../../../test/kit/recorded-lines.ts'
import type { Scenario } from '../../../test/kit/sim/scenario.ts'
import { OUTCOMES, PRIORITIES, REASONS, SETTLEMENTS, VERDICTS } from '../../core/model.ts'
import { JournalError, readJournal, type JournalProblem } from '../reader.ts'
import { LinePacker, NAMES, NameList, UPSTREAM, WORKFLOW } from './packed-lines.ts'
import { readForReplay, readPacked } from './read-packed.ts'
import { replayJournal } from './replay-journal.ts'

/** Vitest's loader does not follow into threads. */
const WORKER = pathToFileURL(join(import.meta.dirname, '../../../test/kit/pack-worker.mjs'))
const SCENARIO: Scenario = {
  name: 'packed',
  seed: 3,
  durationMs: 60_000,
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
      agents: 20,
      upstream: 0,
      perSecond: 2,
      priority: 'normal',
      timeoutMs: 4000,
      deadlineMs: 30_000,
      family: 'openai-js',
      bytes: 500,
    },
  ],
}
const POLICY = policyOf(`version: 1
upstreams: { '*': { drift: { warmUp: 5s } } }
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold, hold: { max: 5s } }
`)

const { lines } = recordedLines(SCENARIO, POLICY)
const dir = mkdtempSync(join(tmpdir(), 'weir-packed-'))
const file = join(dir, 'journal-00001.ndjson')
writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
afterAll(() => rmSync(dir, { recursive: true }))

const options = { policies: { name: 'test', compile: () => ({ policy: POLICY }) }, verify: true }

describe('a journal that is read on a thread of its own', () => {
  it('comes out as if it were read here', async () => {
    const progress: number[] = []
    const onProgress = (done: number): number => progress.push(done)
    const packed = await replayJournal(readPacked(WORKER, [file], { onProgress }), options)
    expect(packed.journal.calls).toBeGreaterThan(2048)
    expect(packed.policies.different).toBe(0)
    const here = await replayJournal(readJournal(file), options)
    expect([packed.policies, packed.recorded, packed.timeline]).toEqual([
      here.policies,
      here.recorded,
      here.timeline,
    ])
    expect(progress.at(-1)).toBeGreaterThan(0)
  })

  it('tells the problem of a file, and ends', async () => {
    const broken = join(dir, 'broken.ndjson')
    writeFileSync(broken, `${JSON.stringify(lines[0])}\nnonsense\n${JSON.stringify(callsOf(lines)[0])}\n`)
    await expect(replayJournal(readPacked(WORKER, [broken], {}), options)).rejects.toThrow(JournalError)
    const problems: JournalProblem[] = []
    const onProblem = (problem: JournalProblem): number => problems.push(problem)
    const kept = await replayJournal(readPacked(WORKER, [broken], { keepGood: true, onProblem }), options)
    expect(kept.journal.calls).toBe(1)
    expect(problems).toMatchObject([{ file: broken, line: 2 }])
  })

  it('may be left in the middle', async () => {
    for await (const batch of readPacked(WORKER, [file], {})) {
      expect(batch.calls).toBeGreaterThan(0)
      break
    }
  })

  it('is read here when it is small, or not there', async () => {
    expect((await replayJournal(readForReplay([file]), options)).policies.different).toBe(0)
    await expect(replayJournal(readForReplay([join(dir, 'nowhere')]), options)).rejects.toThrow(JournalError)
  })
})

describe('packed lines', () => {
  it('have room for every word of the closed lists', () => {
    expect([VERDICTS.length <= 4, PRIORITIES.length <= 4, OUTCOMES.length <= 8]).toEqual([true, true, true])
    expect([REASONS.length <= 32, SETTLEMENTS.length < 8]).toEqual([true, true])
  })

  it('keep their names when the dictionary starts anew', () => {
    const packer = new LinePacker()
    const names = new NameList()
    const [call] = callsOf(lines)
    let forgets = 0
    for (let batch = 0; batch < 300; batch++) {
      const unique = Array.from({ length: 500 }, (_, n) => ({ ...call!, workflow: `run-${batch}-${n}` }))
      const packed = packer.pack(unique)
      names.learn(packed)
      if (packed.forgets) forgets += 1
      const last = (packed.calls - 1) * NAMES
      expect(names.name(packed.names[last + WORKFLOW]!)).toBe(`run-${batch}-499`)
      expect(names.name(packed.names[last + UPSTREAM]!)).toBe('api')
    }
    expect(forgets).toBeGreaterThan(0)
  })
})
