#!/usr/bin/env node
/**
 * The process: arguments to a verb, signals, exit codes. The only file that ends the process.
 *
 * Exit codes: 0 done, or drained after a signal; 1 failed, or forced by a second signal; 64 a mistake in the command
 * line, the config or the policies (EX_USAGE of sysexits.h, as linkerd does).
 */
import { Command, CommanderError } from 'commander'
import { ConfigError } from './config.ts'
import type { Log } from './telemetry/log.ts'
import { VERSION } from './version.ts'

const USAGE = 64

interface Verb {
  readonly name: string
  readonly summary: string
  readonly load: () => Promise<Command>
}

/** Only the verb that is asked for is loaded: `weir run` must not wait for the others. */
const VERBS: readonly Verb[] = [
  {
    name: 'run',
    summary: 'run the proxy',
    load: async () => (await import('./cli/run.ts')).runCommand(serve),
  },
  {
    name: 'check',
    summary: 'check the config and the policies; every problem with its place',
    load: async () => (await import('./cli/check.ts')).checkCommand(),
  },
  {
    name: 'explain',
    summary: 'which rules match a given call, and what would happen',
    load: async () => (await import('./cli/explain.ts')).explainCommand(),
  },
  {
    name: 'report',
    summary: 'a journal as one page: storms, fan-out, drift, wasted work, and what Weir did',
    load: async () => (await import('./cli/report.ts')).reportCommand(),
  },
  {
    name: 'replay',
    summary: 'a journal under other policies: what would have been held, slotted, shed, and spared',
    load: async () => (await import('./cli/replay.ts')).replayCommand(),
  },
  {
    name: 'top',
    summary: 'watch a running Weir in the terminal',
    load: async () => (await import('./cli/top.ts')).topCommand(),
  },
  {
    name: 'agents',
    summary: 'every agent of a running Weir, and what it can do',
    load: async () => (await import('./cli/agents.ts')).agentsCommand(),
  },
  {
    name: 'handoffs',
    summary: 'every handoff of a workflow, as one message each',
    load: async () => (await import('./cli/handoffs.ts')).handoffsCommand(),
  },
  {
    name: 'what-if',
    summary: 'what happens if this step of a workflow fails now',
    load: async () => (await import('./cli/what-if.ts')).whatIfCommand(),
  },
  {
    name: 'import',
    summary: 'make a journal of HAR files or OpenTelemetry traces',
    load: async () => (await import('./cli/import.ts')).importCommand(),
  },
  {
    name: 'inject',
    summary: 'put Weir beside the agents of Kubernetes manifests, as a sidecar',
    load: async () => (await import('./cli/inject.ts')).injectCommand(),
  },
  {
    name: 'keys',
    summary: 'make, list and take away API keys of agents',
    load: async () => (await import('./cli/keys.ts')).keysCommand(),
  },
  {
    name: 'schema',
    summary: 'print the JSON Schema of the files',
    load: async () => (await import('./cli/schema.ts')).schemaCommand(),
  },
  {
    name: 'demo',
    summary: 'play a degradation, without Weir and through it; no key, no network',
    load: async () => (await import('./cli/demo.ts')).demoCommand(),
  },
]

let log: Log | undefined

async function main(words: readonly string[]): Promise<void> {
  const program = new Command('weir')
    .description('a pre-semantic coordination proxy between AI agents and their upstream APIs')
    .version(VERSION)
    .exitOverride()
  const asked = words.find((word) => !word.startsWith('-'))
  // `weir help run` has to know the options of `run`.
  const wanted = asked === 'help' ? words.at(-1) : asked
  for (const verb of VERBS) {
    if (verb.name === wanted) program.addCommand((await verb.load()).exitOverride())
    else program.command(verb.name).description(verb.summary)
  }
  await program.parseAsync([...words], { from: 'user' })
}

/** Runs until SIGTERM or SIGINT has been answered with an orderly end; a second one ends at once. */
async function serve(
  app: { start(): Promise<unknown>; reload?(): void; stop(): Promise<void> },
  appLog: Log,
): Promise<void> {
  log = appLog
  const told = new Promise<NodeJS.Signals>((resolve) => {
    let isTold = false
    const hear = (signal: NodeJS.Signals): void => {
      if (isTold) {
        appLog.warn({ signal }, 'told twice to stop: ending at once')
        leave(1)
      }
      isTold = true
      resolve(signal)
    }
    process.on('SIGTERM', hear)
    process.on('SIGINT', hear)
  })
  // Absent for workers, which are replaced one by one instead.
  if (app.reload !== undefined) process.on('SIGHUP', () => app.reload?.())
  await app.start()
  const signal = await told
  appLog.info({ signal }, 'stopping')
  await app.stop()
  appLog.info({}, 'stopped')
  leave(0)
}

function leave(code: number): never {
  log?.flush()
  process.exit(code)
}

/** After an error that nobody caught the state is unknown: say so and let the supervisor start a fresh process. */
function crash(error: unknown): never {
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
  if (log === undefined) process.stderr.write(`weir: ${stack}\n`)
  else log.error({ stack }, 'uncaught error: ending')
  leave(1)
}

function fail(error: unknown): never {
  if (error instanceof CommanderError) leave(error.exitCode === 0 ? 0 : USAGE)
  if (error instanceof ConfigError) {
    process.stderr.write(`${error.message}\n`)
    leave(USAGE)
  }
  // The system's own refusals (a port that is taken, a file that is not there) need no stack.
  const isSystem = error instanceof Error && 'syscall' in error
  if (isSystem) {
    process.stderr.write(`weir: ${error.message}\n`)
    leave(1)
  }
  crash(error)
}

process.on('uncaughtException', crash)
process.on('unhandledRejection', crash)
main(process.argv.slice(2)).catch(fail)
