/** A whole Weir that defers, in this process, on files of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, type App, type AppOverrides } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createLog } from '../../src/telemetry/log.ts'

export interface DeferringWeir {
  readonly app: App
  readonly agents: string
  readonly operator: string
  readonly dir: string
  readonly lines: string[]
  /** Ends it and starts another on the same files. */
  again(changes?: string): Promise<DeferringWeir>
  close(): Promise<void>
}

export interface DeferringOptions {
  readonly upstream: string
  /** Lines of the `deferral:` block besides store, dir and keys; '' = none. */
  readonly deferral?: string
  readonly rules?: string
  /** No `deferral:` block at all. */
  readonly without?: true
  readonly overrides?: AppOverrides
}

export async function startDeferringWeir(options: DeferringOptions): Promise<DeferringWeir> {
  const dir = await mkdtemp(join(tmpdir(), 'weir-defer-'))
  await writeFile(join(dir, 'key'), 'one secret key of at least 32 characters\n')
  await writeFile(join(dir, 'other-key'), 'another secret key of 32 characters or so\n')
  return await run(dir, options, options.deferral ?? '')
}

export function weirYaml(options: DeferringOptions, deferral: string): string {
  const block =
    options.without === true
      ? ''
      : `deferral:\n  ${[...(deferral.includes('store:') ? [] : ['store: lmdb', 'dir: spool']), ...(deferral.includes('keyFiles') ? [] : ['keyFiles: [key]']), deferral].join('\n  ')}\n`
  return `listen: 127.0.0.1:0
operator: { listen: 127.0.0.1:0 }
upstreams: { up: ${options.upstream} }
policies: [policy.yaml]
drain: { max: 3s }
${block}`
}

async function run(dir: string, options: DeferringOptions, deferral: string): Promise<DeferringWeir> {
  await writeFile(join(dir, 'policy.yaml'), `version: 1\nrules: ${options.rules ?? '[]'}\n`)
  await writeFile(join(dir, 'weir.yaml'), weirYaml(options, deferral))
  const lines: string[] = []
  const log = createLog({
    level: 'debug',
    access: true,
    clock: () => performance.now(),
    sink: { write: (line: string) => void lines.push(line) },
  })
  const config = loadConfig({ env: {}, flags: { config: join(dir, 'weir.yaml'), accessLog: true } })
  const app = createApp(config, { log, ...options.overrides })
  const { proxy, operator } = await app.start()
  return {
    app,
    agents: `http://127.0.0.1:${proxy.port}`,
    operator: `http://127.0.0.1:${operator.port}`,
    dir,
    lines,
    async again(changes = deferral) {
      await app.stop()
      return await run(dir, options, changes)
    },
    async close() {
      await app.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
