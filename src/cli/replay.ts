/** `weir replay`: a journal through the same core under other policies, in virtual time. */
import { writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { ConfigError } from '../config.ts'
import type { Policy } from '../core/policy.ts'
import { formatJournalProblem } from '../journal/reader.ts'
import { playClosedLoop } from '../journal/replay/closed-loop.ts'
import { closedLoopText, closedLoopUnknowns } from '../journal/replay/closed-loop-text.ts'
import type { ReplayLines } from '../journal/replay/play-runs.ts'
import { readForReplay } from '../journal/replay/read-packed.ts'
import { replayPage } from '../journal/replay/page.ts'
import { replayJournal, type Candidate, type ReplayResult } from '../journal/replay/replay-journal.ts'
import { replayText, verifyText } from '../journal/replay/replay-text.ts'
import { span } from '../journal/replay/result-rows.ts'
import { unknownsOf } from '../journal/replay/unknowns.ts'
import { closedLoopPage } from '../journal/replay/closed-loop-page.ts'
import { policyDigest } from '../policy/digest.ts'
import { enforced } from '../policy/enforced.ts'
import { loadPolicies } from '../policy/load.ts'
import { formatProblem, type Problem } from '../policy/problems.ts'
import { collect } from './check.ts'
import { tellJournalFailure } from './journal-failure.ts'
import { journalProgress } from './journal-progress.ts'

interface ReplayFlags {
  readonly policies: readonly string[]
  readonly against?: readonly string[]
  readonly enforce?: boolean
  readonly verify?: boolean
  readonly closedLoop?: boolean
  readonly keepGood?: boolean
  readonly seed?: number
  readonly json?: boolean
  readonly report?: string
}

export function replayCommand(): Command {
  return new Command('replay')
    .description('a journal under other policies: what would have been held, slotted, shed, and spared')
    .argument('<journal...>', 'files and folders of a journal')
    .requiredOption('--policies <path>', 'a policy file or a folder of them; repeat for more', collect)
    .option('--against <path>', 'another set, to be compared with the first; repeat for more', collect)
    .option('--enforce', 'rules in shadow mode act, too')
    .option('--verify', 'the policies of then: every verdict must be the one that was taken')
    .option('--closed-loop', 'models of the callers and of the upstreams react to the verdicts')
    .option('--report <file>', 'write a page of the result: one HTML file that needs no network')
    .option('--keep-good', 'leave out what is broken in the journal, and say so')
    .option('--seed <number>', 'for journals that name none, such as imported ones', seedOf)
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Exit code: 0 done; 1 the journal cannot be read, or --verify found a verdict that differs; 64 a mistake in the
command line or in the policies.

Examples:
  weir replay /var/lib/weir/journal --policies policies/kyc.yaml --enforce
  weir replay journal/ --policies now/ --against next/ --report difference.html
  weir replay journal/ --policies policies/ --verify`,
    )
    .action(run)
}

async function run(journal: string[], flags: ReplayFlags): Promise<void> {
  const progress = journalProgress('replaying')
  const lines = (): ReplayLines =>
    readForReplay(journal, {
      keepGood: flags.keepGood === true,
      onProgress: progress.onProgress,
      onProblem: (problem) => process.stderr.write(`weir: left out: ${formatJournalProblem(problem)}\n`),
    })
  try {
    const compiled: Policy[] = []
    const against = flags.against === undefined ? undefined : candidateOf(flags.against, flags, compiled)
    const options = {
      policies: candidateOf(flags.policies, flags, compiled),
      ...(against === undefined ? {} : { against }),
      ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    }
    if (flags.closedLoop === true) {
      const played = await playClosedLoop(lines, options)
      progress.stop()
      const unknowns = closedLoopUnknowns(played)
      if (flags.report !== undefined) writeFileSync(flags.report, closedLoopPage(played))
      process.stdout.write(flags.json === true ? json({ ...played, unknowns }) : closedLoopText(played))
      return
    }
    const result = await replayJournal(lines(), { ...options, verify: flags.verify === true })
    progress.stop()
    const unknowns = unknownsOf(result, compiled)
    if (flags.report !== undefined) writeFileSync(flags.report, replayPage(result, unknowns))
    tell(result, unknowns, flags)
  } catch (error) {
    progress.stop()
    tellJournalFailure(error, flags.keepGood === true)
  }
}

function tell(result: ReplayResult, unknowns: readonly string[], flags: ReplayFlags): void {
  const { policies } = result
  if (flags.verify === true && policies.different > 0) process.exitCode = 1
  if (flags.json === true) {
    process.stdout.write(json({ ...result, unknowns }))
  } else if (flags.verify === true) {
    process.stdout.write(verifyText(result))
    if (policies.different > 0 && policies.otherRuns > 0) {
      process.stderr.write('weir: these are not the policies that were in force, says the journal\n')
    }
    const { exact, missingFromMs } = result.journal
    if (policies.different > 0 && !exact) {
      const from = missingFromMs < 0 ? '' : ` from ${span(missingFromMs)} on`
      process.stderr.write(
        `weir: the journal is not whole${from}: a fresh core is not told all that the live one was\n`,
      )
    }
  } else {
    process.stdout.write(replayText(result, unknowns))
  }
}

function json(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}

/** @throws ConfigError with every problem of the policies, when they are compiled */
function candidateOf(paths: readonly string[], flags: ReplayFlags, compiled: Policy[]): Candidate {
  return {
    name: paths.join(', '),
    compile(upstreams) {
      const set = loadPolicies(paths, { upstreams, deferral: true })
      if (!set.ok) throw new ConfigError(set.problems)
      warn(set.problems)
      const policy = flags.enforce === true ? enforced(set.policy) : set.policy
      compiled.push(policy)
      return { policy, digest: policyDigest(policy, set.notes) }
    },
  }
}

function warn(problems: readonly Problem[]): void {
  for (const problem of problems) process.stderr.write(`${formatProblem(problem)}\n`)
}

function seedOf(text: string): number {
  const seed = Number(text)
  if (text.trim() !== '' && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed
  const complaint = {
    found: `--seed ${text}`,
    allowed: 'a whole number from 0 to 4294967295',
    fix: 'write --seed 7',
  }
  throw new ConfigError([
    { severity: 'error', file: 'command line', line: 0, column: 0, path: '', ...complaint },
  ])
}
