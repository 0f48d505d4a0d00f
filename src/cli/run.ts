/** `weir run`: the proxy and the operator's listener, until a signal ends them. */
import { Command, Option } from 'commander'
import { createApp } from '../app.ts'
import { loadConfig, type Config } from '../config.ts'
import { createLog, LOG_LEVELS } from '../telemetry/log.ts'
import type { Log } from '../telemetry/log.ts'

/** As commander names them; `config.ts` checks the values, together with the file and the environment. */
interface RunFlags {
  readonly config?: string
  readonly upstream?: readonly string[]
  readonly listen?: string
  readonly operator?: string
  readonly policies?: readonly string[]
  readonly logLevel?: string
  readonly accessLog?: boolean
  readonly auth?: string
  readonly journal?: string
  readonly board?: string
  readonly workers?: string
}

type Serve = (app: Served, log: Log) => Promise<void>

interface Served {
  start(): Promise<unknown>
  reload?(): void
  stop(): Promise<void>
}

/** @param serve runs the app until the process is told to stop */
export function runCommand(serve: Serve): Command {
  return new Command('run')
    .description('run the proxy')
    .option('-c, --config <file>', 'config file (default: weir.yaml, when there is one)')
    .option('--upstream <name=url>', 'an upstream; repeat for more', collect)
    .option('--listen <host:port>', 'where agents connect (default: 127.0.0.1:8080)')
    .option('--operator <host:port>', 'where probes, metrics and state are (default: 127.0.0.1:9090)')
    .option('--policies <path>', 'a policy file or a folder of them; repeat for more', collect)
    .addOption(new Option('--log-level <level>', 'what is logged').choices([...LOG_LEVELS]))
    .option('--access-log', 'one line per call')
    .option('--journal <dir>', 'write a journal there: one line of metadata per call, for report and replay')
    .option('--board <url>', 'a Redis for what replicas tell each other: redis://host:port')
    .option('--workers <n>', 'processes that share the port of the agents (default: 1)')
    .option('--auth <mode>', "'none' to listen off loopback without authentication, in so many words")
    .addHelpText(
      'after',
      `
Example:
  weir run --upstream openai=https://api.openai.com
  OPENAI_BASE_URL=http://127.0.0.1:8080/openai/v1 python agent.py`,
    )
    .action(async (flags: RunFlags) => {
      const config = loadConfig({ flags })
      if (config.workers > 1) return runMany(config, serve)
      const app = createApp(config)
      await serve(app, app.log)
    })
}

/** The primary, or one of the workers that it starts with the same words. */
async function runMany(config: Config, serve: Serve): Promise<void> {
  const { default: cluster } = await import('node:cluster')
  if (cluster.isWorker) return (await import('./workers-child.ts')).runWorker(config)
  const log = createLog({ ...config.log, clock: () => performance.now() })
  await serve((await import('./workers.ts')).createWorkers(config, log), log)
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}
