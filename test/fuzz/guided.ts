/**
 * A coverage-guided loop for readers that are plain functions: inputs that reach new blocks of the code become the
 * parents of the next ones. Coverage is looked at once per handful, which costs a millisecond, and a handful that found
 * something new is played again one by one.
 */
import { seeded } from '../../src/core/random.ts'
import { Coverage } from './coverage.ts'
import type { Finding, FuzzFigures, FuzzOptions } from './fuzz.ts'
import { Mutator } from './mutator.ts'

/** Inputs between two looks. */
const HANDFUL = 64
const MOST_FINDINGS = 20

export interface GuidedTarget {
  readonly name: string
  readonly seeds: readonly string[]
  readonly words: readonly string[]
  readonly isOurs: (url: string) => boolean
  /** A single input may take so long, in ms. */
  readonly boundMs: number
  /** '' = as promised; else what is not. A throw is a finding, too. */
  readonly check: (input: string) => string | Promise<string>
}

export async function fuzzGuided(target: GuidedTarget, { cases, seed }: FuzzOptions): Promise<FuzzFigures> {
  const mutator = new Mutator(target.seeds, target.words, seeded(seed))
  const coverage = new Coverage(target.isOurs)
  const findings: Finding[] = []
  let slowestMs = 0

  async function play(input: string): Promise<void> {
    const from = performance.now()
    let why: string
    try {
      why = await target.check(input)
    } catch (error) {
      why = `threw ${error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 3).join(' | ') : String(error)}`
    }
    const ms = performance.now() - from
    slowestMs = Math.max(slowestMs, ms)
    if (why === '' && ms > target.boundMs) why = `took ${Math.round(ms)} ms`
    if (why !== '' && findings.length < MOST_FINDINGS) findings.push({ input: input.slice(0, 4096), why })
  }

  for (const input of target.seeds) await play(input)
  coverage.look()
  const startedAt = performance.now()
  let done = 0
  while (done < cases && findings.length < MOST_FINDINGS) {
    const handful = Array.from({ length: Math.min(HANDFUL, cases - done) }, () => mutator.next())
    for (const input of handful) await play(input)
    done += handful.length
    if (coverage.look() === 0) continue
    for (const input of handful) {
      await play(input)
      // Seen by the handful already: what tells them apart is how often.
      if (coverage.look() > 0) mutator.keep(input)
    }
    mutator.keep(handful.at(-1)!)
  }
  const tookMs = performance.now() - startedAt
  const { blocks } = coverage
  coverage.close()
  return {
    target: target.name,
    cases: done,
    casesPerSecond: Math.round((1000 * done) / tookMs),
    findings,
    figures: { blocks, corpus: mutator.corpus.length, slowestMs: Math.round(slowestMs) },
  }
}
