/** `weir explain --call`: a call of a journal, at the moment in which it came. */
import { ConfigError, readConfig, type Flags } from '../config.ts'
import { formatJournalProblem } from '../journal/reader.ts'
import type { ReplayLines } from '../journal/replay/play-runs.ts'
import { readForReplay } from '../journal/replay/read-packed.ts'
import { policyDigest } from '../policy/digest.ts'
import { loadPolicies } from '../policy/load.ts'
import { explainCall } from './explanation-call.ts'
import { callExplanationText } from './explanation-call-text.ts'
import { tellJournalFailure } from './journal-failure.ts'
import { journalProgress } from './journal-progress.ts'

export interface RecordedFlags {
  readonly config?: string
  readonly policies?: readonly string[]
  readonly journal?: readonly string[]
  readonly keepGood?: boolean
  readonly json?: boolean
}

/** Prints the explanation; exit code 1 when there is no such call or the journal cannot be read. @throws ConfigError */
export async function explainRecorded(id: string, flags: RecordedFlags): Promise<void> {
  const { journal = [], keepGood = false } = flags
  if (journal.length === 0)
    throw misused('--call without a journal', 'the journal of the call', 'add --journal DIR')
  const policies = flags.policies ?? configured(flags.config)
  const progress = journalProgress('looking')
  // It is read twice; what is broken is told once.
  let readings = 0
  const lines = (): ReplayLines => {
    const isFirst = readings++ === 0
    return readForReplay(journal, {
      keepGood,
      onProgress: progress.onProgress,
      onProblem(problem) {
        if (isFirst) process.stderr.write(`weir: left out: ${formatJournalProblem(problem)}\n`)
      },
    })
  }
  try {
    const answer = await explainCall({
      id,
      lines,
      name: policies.join(', '),
      compile(upstreams) {
        const set = loadPolicies(policies, { upstreams, deferral: true })
        if (!set.ok) throw new ConfigError(set.problems)
        return { policy: set.policy, notes: set.notes, digest: policyDigest(set.policy, set.notes) }
      },
    })
    progress.stop()
    if (answer === undefined) {
      process.stderr.write(`weir: no call ${id} in ${journal.join(', ')}\n`)
      process.exitCode = 1
    } else if (flags.json === true) {
      process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`)
    } else {
      process.stdout.write(callExplanationText(answer))
    }
  } catch (error) {
    progress.stop()
    tellJournalFailure(error, keepGood)
  }
}

/** Those that `run` would use. */
function configured(file: string | undefined): readonly string[] {
  const flags: Flags = file === undefined ? {} : { config: file }
  const read = readConfig({ flags })
  if (read.ok) return read.config.policies
  if (file !== undefined) throw new ConfigError(read.problems)
  throw misused('no policies', 'those of a config file, or named ones', 'add --policies DIR')
}

function misused(found: string, allowed: string, fix: string): ConfigError {
  return new ConfigError([
    { severity: 'error', file: 'command line', line: 0, column: 0, path: '', found, allowed, fix },
  ])
}
