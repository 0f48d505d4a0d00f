/**
 * The policy in force, where it came from, and what became of the last attempt to replace it.
 *
 * The operator may switch the mode of a rule while the process runs. Such a switch is a note in memory on top of the
 * files: the next good reload ends all of them, since whoever edits the files says what holds from then on; a reload
 * that is refused leaves them, as it leaves everything else.
 */
import type { PolicyNews } from './admin/policy-news.ts'
import type { ModeChange } from './admin/rule-switch.ts'
import type { PolicyStatus } from './admin/views.ts'
import { ConfigError } from './config.ts'
import type { Mode } from './core/model.ts'
import type { Policy } from './core/policy.ts'
import type { Compiled, CompileOptions } from './policy/compile.ts'
import { contradictionsOf } from './policy/contradictions.ts'
import { fingerprintOf, loadPolicies, watchPolicies } from './policy/load.ts'
import type { PolicyWatch } from './policy/load.ts'
import { formatProblem } from './policy/problems.ts'
import type { Problem } from './policy/problems.ts'
import type { Log } from './telemetry/log.ts'

export interface PolicyKeeper {
  readonly policy: Policy
  readonly status: PolicyStatus
  /** Follows the files from now on; `adopt` gets every good set after the first, and every switch of a mode. */
  watch(adopt: (policy: Policy) => void): void
  /** Switches one rule in memory, while the files are followed. `by` is who asked, for the log. */
  setMode(id: string, mode: Mode, by: string): ModeChange
  stop(): void
}

interface KeeperDeps {
  readonly log: Log
  /** Wall clock in ms. */
  readonly wall: () => number
  readonly onNews?: (news: PolicyNews) => void
}

/** @throws ConfigError with every problem when the first set is not in order */
export function keepPolicies(
  paths: readonly string[],
  options: CompileOptions,
  deps: KeeperDeps,
): PolicyKeeper {
  const { log, wall } = deps
  const tell = deps.onNews ?? (() => {})
  const since = fingerprintOf(paths)
  const first = loadPolicies(paths, options)
  if (!first.ok) throw new ConfigError(first.problems)
  let { policy } = first
  let status = inForce(first, wall())
  let watching: { readonly files: PolicyWatch; readonly adopt: (policy: Policy) => void } | undefined
  warn(log, first.problems)

  function reloaded(result: Compiled, adopt: (policy: Policy) => void): void {
    if (!result.ok) {
      status = { ...status, problems: result.problems.map(formatProblem) }
      log.error({ problems: status.problems }, 'policies refused: the last good ones stay in force')
      tell({ name: 'policies-refused', problems: status.problems })
      return
    }
    const ended = [...(status.overrides?.keys() ?? [])]
    policy = result.policy
    status = inForce(result, wall())
    adopt(policy)
    log.info({ files: status.files, rules: policy.rules.length }, 'policies loaded')
    if (ended.length > 0) log.warn({ rules: ended }, "switched rules are back in their files' modes")
    tell({ name: 'policies-loaded', rules: policy.rules.length, ended })
    warn(log, result.problems)
  }

  function setMode(id: string, mode: Mode, by: string): ModeChange {
    const index = policy.rules.findIndex((rule) => rule.id === id)
    const from = policy.rules[index]?.mode
    const note = status.notes[index]
    if (from === undefined || note === undefined) {
      return { ok: false, why: 'unknown', detail: 'no rule has this id: see GET /api/v1/policies' }
    }
    if (watching === undefined) return { ok: false, why: 'not-running', detail: 'not ready, or stopping' }
    const problem = contradictionsOf({ ...note.rule, mode }, options.deferral).find(
      ({ complaint }) => complaint.severity !== 'warning',
    )
    if (problem !== undefined) return { ok: false, why: 'impossible', detail: problem.complaint.found }
    const fileMode = note.rule.mode ?? 'shadow'
    const change = { ok: true, id, from, mode, fileMode, override: mode !== fileMode } as const
    if (mode === from) return change
    policy = { ...policy, rules: policy.rules.map((rule) => (rule.id === id ? { ...rule, mode } : rule)) }
    status = { ...status, overrides: withMode(status.overrides, change) }
    watching.adopt(policy)
    log.warn(
      { rule: id, from, mode, fileMode, by },
      'mode of a rule switched, until the next reload or restart',
    )
    tell({ name: 'rule-mode-changed', change })
    return change
  }

  return {
    get policy() {
      return policy
    },
    get status() {
      return status
    },
    watch(adopt) {
      const files = watchPolicies(paths, {
        ...options,
        since,
        onResult: (result) => reloaded(result, adopt),
      })
      watching = { files, adopt }
    },
    setMode,
    stop() {
      watching?.files.close()
      watching = undefined
    },
  }
}

function withMode(
  overrides: ReadonlyMap<string, Mode> | undefined,
  { id, mode, override }: ModeChange & { readonly ok: true },
): ReadonlyMap<string, Mode> {
  const next = new Map(overrides)
  if (override) next.set(id, mode)
  else next.delete(id)
  return next
}

function inForce(result: Compiled & { ok: true }, loadedAt: number): PolicyStatus {
  return { files: result.files, notes: result.notes, loadedAt, problems: [] }
}

function warn(log: Log, problems: readonly Problem[]): void {
  if (problems.length > 0) log.warn({ problems: problems.map(formatProblem) }, 'policies have warnings')
}
