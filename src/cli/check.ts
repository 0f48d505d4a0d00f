/** `weir check`: the config and the policies, with every problem and its place. Opens no port, sends nothing. */
import { Command } from 'commander'
import { readConfig, type ConfigSources } from '../config.ts'
import { loadPolicies } from '../policy/load.ts'
import { formatProblem, hasErrors, sortProblems, type Problem } from '../policy/problems.ts'

export interface CheckRequest extends ConfigSources {
  /** Policy files and folders instead of those of the config. */
  readonly files?: readonly string[]
}

export interface CheckResult {
  readonly ok: boolean
  readonly problems: readonly Problem[]
  /** Files of policies that were read, in the order of evaluation; empty when they are refused. */
  readonly files: readonly string[]
  readonly rules: number
}

/** Checks what `run` with the same words would use. */
export function check(request: CheckRequest): CheckResult {
  const read = readConfig(request)
  // Without upstreams nothing can be said about their names: the files alone are checked then.
  const upstreams = read.ok ? read.config.proxy.upstreams.map(({ name }) => name) : undefined
  const configProblems = read.ok || (read.file === undefined && isBare(request)) ? [] : read.problems
  const paths = request.files?.length
    ? request.files
    : (request.flags?.policies ?? (read.ok ? read.config.policies : []))
  if (configProblems.length === 0 && paths.length === 0 && !read.ok) {
    return { ok: false, problems: read.problems, files: [], rules: 0 }
  }
  const set = loadPolicies(paths, { upstreams, deferral: read.ok && read.config.deferral !== undefined })
  const problems = sortProblems([...configProblems, ...set.problems])
  return {
    ok: !hasErrors(problems),
    problems,
    files: set.ok ? set.files : [],
    rules: set.ok ? set.policy.rules.length : 0,
  }
}

/** Only policy files were named, and there is no config to check them against. */
function isBare(request: CheckRequest): boolean {
  return request.flags?.config === undefined && request.flags?.upstream === undefined
}

export function checkCommand(): Command {
  return new Command('check')
    .description('check the config and the policies; every problem with its place')
    .argument('[files...]', 'policy files or folders, instead of those of the config')
    .option('-c, --config <file>', 'config file (default: weir.yaml, when there is one)')
    .option('--upstream <name=url>', 'an upstream; repeat for more', collect)
    .option('--policies <path>', 'a policy file or a folder of them; repeat for more', collect)
    .option('--json', 'print the problems as JSON')
    .addHelpText('after', '\nExit code: 0 in order (warnings allowed), 1 not in order.')
    .action((files: string[], flags: ConfigSources['flags'] & { readonly json?: boolean }) => {
      const { json, ...rest } = flags
      const result = check({ files, flags: rest })
      if (json === true) process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`)
      else report(result)
      process.exitCode = result.ok ? 0 : 1
    })
}

function report(result: CheckResult): void {
  for (const problem of result.problems) process.stderr.write(`${formatProblem(problem)}\n`)
  const count = (severity: Problem['severity']): number =>
    result.problems.filter((problem) => problem.severity === severity).length
  if (result.ok) {
    const warnings = count('warning') === 0 ? '' : `, ${plural(count('warning'), 'warning')}`
    process.stdout.write(
      `in order: ${plural(result.rules, 'rule')} in ${plural(result.files.length, 'file')}${warnings}\n`,
    )
  } else process.stderr.write(`${plural(count('error'), 'error')}\n`)
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}
