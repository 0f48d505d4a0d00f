/** A whole Weir in this process that wants to know who calls, on files of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, type App, type AppOverrides } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { newKey, type NewKey } from '../../src/identity/api-key.ts'
import { withKey } from '../../src/identity/keys-file.ts'
import { createLog } from '../../src/telemetry/log.ts'

export interface GatedWeir {
  readonly app: App
  readonly port: number
  readonly agents: string
  readonly operator: string
  readonly dir: string
  /** Lines of the log. */
  readonly lines: string[]
  close(): Promise<void>
}

export interface GatedOptions {
  /** Blocks of `weir.yaml` besides the listeners and policies. */
  readonly config: string
  /** Files beside it, by name. */
  readonly files?: Readonly<Record<string, string>>
  readonly rules?: string
  readonly overrides?: AppOverrides
}

/** A key for each agent, and the text of the file that knows them. */
export function keysFor(...agents: readonly string[]): {
  readonly keys: readonly NewKey[]
  readonly file: string
} {
  const keys = agents.map((agent) => newKey(agent, Date.now()))
  const file = keys.reduce((text, { record }) => withKey('keys.yaml', text, record), '')
  return { keys, file }
}

export async function startGatedWeir({
  config,
  files = {},
  rules = '[]',
  overrides,
}: GatedOptions): Promise<GatedWeir> {
  const dir = await mkdtemp(join(tmpdir(), 'weir-gate-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text)
  await writeFile(join(dir, 'policy.yaml'), `version: 1\nrules: ${rules}\n`)
  await writeFile(
    join(dir, 'weir.yaml'),
    `listen: 127.0.0.1:0\noperator: { listen: 127.0.0.1:0 }\npolicies: [policy.yaml]\ndrain: { max: 2s }\n${config}`,
  )
  const lines: string[] = []
  const log = createLog({
    level: 'debug',
    access: true,
    clock: () => performance.now(),
    sink: { write: (line: string) => void lines.push(line) },
  })
  const app = createApp(loadConfig({ env: {}, flags: { config: join(dir, 'weir.yaml'), accessLog: true } }), {
    log,
    lookEveryMs: 20,
    ...overrides,
  })
  const { proxy, operator } = await app.start()
  return {
    app,
    port: proxy.port,
    agents: `http://127.0.0.1:${proxy.port}`,
    operator: `http://127.0.0.1:${operator.port}`,
    dir,
    lines,
    async close() {
      await app.stop()
      await rm(dir, { recursive: true, force: true })
    },
  }
}
