/** The policy in force, where it came from, and what became of the last attempt to replace it. */
import type { PolicyStatus } from './admin/views.ts'
import { ConfigError } from './config.ts'
import type { Policy } from './core/policy.ts'
import type { Compiled, CompileOptions } from './policy/compile.ts'
import { loadPolicies, watchPolicies } from './policy/load.ts'
import type { PolicyWatch } from './policy/load.ts'
import { formatProblem } from './policy/problems.ts'
import type { Problem } from './policy/problems.ts'
import type { Log } from './telemetry/log.ts'

export interface PolicyKeeper {
  readonly policy: Policy
  readonly status: PolicyStatus
  /** Follows the files from now on; `adopt` gets every good set after the first. */
  watch(adopt: (policy: Policy) => void): void
  stop(): void
}

interface KeeperDeps {
  readonly log: Log
  /** Wall clock in ms. */
  readonly wall: () => number
}

/** @throws ConfigError with every problem when the first set is not in order */
export function keepPolicies(
  paths: readonly string[],
  options: CompileOptions,
  deps: KeeperDeps,
): PolicyKeeper {
  const { log, wall } = deps
  const first = loadPolicies(paths, options)
  if (!first.ok) throw new ConfigError(first.problems)
  let { policy } = first
  let status = inForce(first, wall())
  let watching: PolicyWatch | undefined
  warn(log, first.problems)
  return {
    get policy() {
      return policy
    },
    get status() {
      return status
    },
    watch(adopt) {
      watching = watchPolicies(paths, {
        ...options,
        onResult(result) {
          if (!result.ok) {
            status = { ...status, problems: result.problems.map(formatProblem) }
            log.error({ problems: status.problems }, 'policies refused: the last good ones stay in force')
            return
          }
          policy = result.policy
          status = inForce(result, wall())
          adopt(policy)
          log.info({ files: status.files, rules: policy.rules.length }, 'policies loaded')
          warn(log, result.problems)
        },
      })
    },
    stop: () => watching?.close(),
  }
}

function inForce(result: Compiled & { ok: true }, loadedAt: number): PolicyStatus {
  return { files: result.files, notes: result.notes, loadedAt, problems: [] }
}

function warn(log: Log, problems: readonly Problem[]): void {
  if (problems.length > 0) log.warn({ problems: problems.map(formatProblem) }, 'policies have warnings')
}
