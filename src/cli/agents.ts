/** `weir agents`: every agent of a running Weir and what it can do, as it says and as Weir sees it. */
import { Command } from 'commander'
import { answering, askCommons, withCommonsOptions, type CommonsFlags } from './commons-client.ts'
import { columns } from './columns.ts'

interface AgentsFlags extends CommonsFlags {
  readonly capability?: string
  readonly live?: boolean
  readonly limit: string
}

/** The part of `GET /weir/v1/agents` that is shown. */
interface AgentRow {
  readonly agent: string
  readonly registered: boolean
  readonly live: boolean
  readonly capabilities: readonly { readonly name: string; readonly version?: string }[]
  readonly tasks: number
  readonly observed?: {
    readonly calls: number
    readonly errorRatio: number
    readonly condition: string
    readonly flows: readonly { readonly upstream: string; readonly condition: string }[]
  }
}

export function agentsCommand(): Command {
  return withCommonsOptions(
    new Command('agents')
      .description('every agent of a running Weir: what it can do, what it has, how it is doing')
      .option('--capability <name>', 'only those that can do this')
      .option('--live', 'only those that are alive')
      .option('--limit <n>', 'at most so many', '1000'),
  ).action((flags: AgentsFlags) =>
    answering('agents', async () => {
      const { capability, live, limit, json } = flags
      const answer = await askCommons(flags, '/agents', {
        capability,
        live: live === true ? 'true' : undefined,
        limit,
      })
      process.stdout.write(json === true ? `${JSON.stringify(answer, undefined, 2)}\n` : agentTable(answer))
    }),
  )
}

export function agentTable(answer: unknown): string {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Weir's own answer, of the same package
  const { agents } = answer as { readonly agents: readonly AgentRow[] }
  if (agents.length === 0) return 'No agent is registered, and none was seen.\n'
  const head = ['AGENT', 'LIVE', 'CAPABILITIES', 'TASKS', 'CALLS', 'ERRORS', 'CONDITION', 'UPSTREAMS']
  return `${columns([head, ...agents.map(agentCells)]).join('\n')}\n`
}

function agentCells({ agent, registered, live, capabilities, tasks, observed }: AgentRow): string[] {
  const can = capabilities.map(({ name, version }) => (version === undefined ? name : `${name}@${version}`))
  const flows = observed?.flows.map(({ upstream, condition }) =>
    condition === 'healthy' ? upstream : `${upstream} (${condition})`,
  )
  return [
    agent,
    live ? 'yes' : 'no',
    registered ? can.join(', ') || '-' : '(not registered)',
    String(tasks),
    String(observed?.calls ?? 0),
    observed === undefined ? '-' : `${(100 * observed.errorRatio).toFixed(1)} %`,
    observed?.condition ?? '-',
    flows?.join(', ') ?? '-',
  ]
}
