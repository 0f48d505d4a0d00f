/** `weir explain`: which rules match a given call, in order, which one would decide, and what would change it. */
import { Command, Option } from 'commander'
import { ConfigError, readConfig, type Flags } from '../config.ts'
import { AGENT_CONDITIONS, CONDITIONS, PRIORITIES, WORKFLOW_CONDITIONS } from '../core/model.ts'
import { nearest, show } from '../policy/problems.ts'
import { loadPolicies } from '../policy/load.ts'
import { collect } from './check.ts'
import { explainRecorded } from './explain-recorded.ts'
import { explain, type Explanation, type Question } from './explanation.ts'
import { explanationText } from './explanation-text.ts'

type ExplainFlags = Flags &
  Omit<Question, 'upstream'> & {
    readonly json?: boolean
    readonly call?: string
    readonly journal?: readonly string[]
    readonly keepGood?: boolean
  }

/** Answers for the policies that `run` with the same words would use. @throws ConfigError */
export function explainWith(flags: Flags, question: Question, cwd?: string): Explanation {
  const read = readConfig({ flags, ...(cwd === undefined ? {} : { cwd }) })
  if (!read.ok) throw new ConfigError(read.problems)
  const upstreams = read.config.proxy.upstreams.map(({ name }) => name)
  const index = upstreams.indexOf(question.upstream)
  if (index === -1) {
    const close = nearest(question.upstream, upstreams)
    throw new ConfigError([
      {
        severity: 'error',
        file: '--upstream',
        line: 0,
        column: 0,
        path: '',
        found: `upstream ${show(question.upstream)} is not configured`,
        allowed: upstreams.join(', '),
        ...(close === undefined ? {} : { nearest: close }),
        fix: 'name one of them, or give its address too: --upstream name=url',
      },
    ])
  }
  const set = loadPolicies(read.config.policies, { upstreams, deferral: read.config.deferral !== undefined })
  if (!set.ok) throw new ConfigError(set.problems)
  return explain(set.policy, set.notes, index, question)
}

/** `--upstream openai` names the call's; `--upstream openai=https://...` also configures it, as for `run`. */
export function splitUpstreams(given: readonly string[]): {
  configured: string[]
  asked: string | undefined
} {
  const configured = given.filter((word) => word.includes('='))
  const asked = given.findLast((word) => !word.includes('=')) ?? configured.at(-1)?.split('=')[0]
  return { configured, asked }
}

export function explainCommand(): Command {
  return new Command('explain')
    .description('which rules match a given call, and what would happen')
    .option('--upstream <name>', 'the upstream of the call; name=url also configures it', collect)
    .option('--call <id>', 'a call of a journal instead, by its weir-call-id')
    .option('--journal <path>', 'file or folder of the journal; repeat for more', collect)
    .option('--keep-good', 'leave out what is broken in the journal, and say so')
    .option('--agent <id>', 'who calls', 'anyone')
    .option('--path <path>', 'path at the upstream, without query', '/')
    .option('--method <method>', 'HTTP method', 'POST')
    .addOption(new Option('--priority <class>', 'priority class').choices([...PRIORITIES]).default('normal'))
    .option('--verified', 'the caller is known by a credential')
    .addOption(
      new Option('--condition <condition>', 'of the upstream').choices([...CONDITIONS]).default('healthy'),
    )
    .addOption(
      new Option('--agent-condition <condition>', 'of the agent')
        .choices([...AGENT_CONDITIONS])
        .default('ordinary'),
    )
    .addOption(
      new Option('--workflow-condition <condition>', 'of the workflow')
        .choices([...WORKFLOW_CONDITIONS])
        .default('ordinary'),
    )
    .option('--slowdown <times>', 'median now over the healthy median', number, 1)
    .option('--error-share <share>', 'share of calls that failed, 0 to 1', number, 0)
    .option('--retry-share <share>', 'share of attempts that are retries, 0 to 1', number, 0)
    .option('--retrying-agents <count>', 'distinct agents that retry', number, 0)
    .option('--in-flight <count>', 'calls at the upstream now', number, 0)
    .option('-c, --config <file>', 'config file (default: weir.yaml, when there is one)')
    .option('--policies <path>', 'a policy file or a folder of them; repeat for more', collect)
    .option('--json', 'print the answer as JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  weir explain --upstream openai --agent onboard-7 --path /v1/responses --condition degraded' +
        '\n  weir explain --call 0c9e0f4e-8d5e-4f0e-9d0e-3f1a2b3c4d5e --journal journal/ --policies policies/',
    )
    .action(async (flags: ExplainFlags & { readonly upstream?: readonly string[] }) => {
      if (flags.call !== undefined) {
        await explainRecorded(flags.call, flags)
        return
      }
      const { config: file, policies, json, upstream = [], ...question } = flags
      if (upstream.length === 0) {
        throw misused(
          'no call',
          'flags that describe one, or one of a journal',
          'add --upstream NAME, or --call ID',
        )
      }
      const { configured, asked = '' } = splitUpstreams(upstream)
      const config: Flags = {
        ...(file === undefined ? {} : { config: file }),
        ...(policies === undefined ? {} : { policies }),
        ...(configured.length === 0 ? {} : { upstream: configured }),
      }
      const answer = explainWith(config, { ...question, verified: flags.verified ?? false, upstream: asked })
      process.stdout.write(
        json === true ? `${JSON.stringify(answer, undefined, 2)}\n` : explanationText(answer),
      )
    })
}

function number(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value < 0) {
    throw misused(`${show(text)} is not a number`, 'a number from 0', 'write it like 1.5')
  }
  return value
}

function misused(found: string, allowed: string, fix: string): ConfigError {
  const complaint = { found, allowed, fix }
  return new ConfigError([
    { severity: 'error', file: 'command line', line: 0, column: 0, path: '', ...complaint },
  ])
}
