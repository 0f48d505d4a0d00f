/** `weir run`: the proxy and the operator's listener, until a signal ends them. */
import { Command, Option } from 'commander'
import type { App } from '../app.ts'
import { createApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { LOG_LEVELS } from '../telemetry/log.ts'
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
}

/** @param serve runs the app until the process is told to stop */
export function runCommand(serve: (app: App, log: Log) => Promise<void>): Command {
  return new Command('run')
    .description('run the proxy')
    .option('-c, --config <file>', 'config file (default: weir.yaml, when there is one)')
    .option('--upstream <name=url>', 'an upstream; repeat for more', collect)
    .option('--listen <host:port>', 'where agents connect (default: 127.0.0.1:8080)')
    .option('--operator <host:port>', 'where probes, metrics and state are (default: 127.0.0.1:9090)')
    .option('--policies <path>', 'a policy file or a folder of them; repeat for more', collect)
    .addOption(new Option('--log-level <level>', 'what is logged').choices([...LOG_LEVELS]))
    .option('--access-log', 'one line per call')
    .option('--auth <mode>', "'none' to listen off loopback without authentication, in so many words")
    .addHelpText(
      'after',
      `
Example:
  weir run --upstream openai=https://api.openai.com
  OPENAI_BASE_URL=http://127.0.0.1:8080/openai/v1 python agent.py`,
    )
    .action(async (flags: RunFlags) => {
      const app = createApp(loadConfig({ flags }))
      await serve(app, app.log)
    })
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value]
}
