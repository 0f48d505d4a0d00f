/** A whole Weir on loopback with one policy, whose core can be read, for those who only ask it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, type App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import type { UpstreamReading } from '../../src/core/reading.ts'
import { createSandbox, type Sandbox } from '../../src/demo/sandbox.ts'
import { oneAtATimePolicy } from './policy.ts'

export interface AskingWeir {
  readonly app: App
  readonly sandbox: Sandbox
  /** Of the agents' listener. */
  readonly origin: string
  readonly reading: UpstreamReading
  outcome(name: string): number
  close(): Promise<void>
}

/** @param yaml more of `weir.yaml`, such as `admission: { maxTickets: 2 }` */
export async function startAskingWeir(policy: string, yaml = ''): Promise<AskingWeir> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-asking-'))
  const sandbox = createSandbox()
  await sandbox.listen()
  await writeFile(join(directory, 'policy.yaml'), policy)
  await writeFile(
    join(directory, 'weir.yaml'),
    `upstreams: { openai: ${sandbox.url} }\nlisten: 127.0.0.1:0\noperator: { listen: 127.0.0.1:0 }\n` +
      `policies: [policy.yaml]\nlog: { level: silent }\ndrain: { max: 300ms }\n${yaml}\n`,
  )
  const app = createApp(loadConfig({ env: {}, cwd: directory }), { seed: 1 })
  const { proxy } = await app.start()
  const read = (): UpstreamReading => app.core.read(performance.now()).upstreams[0]!
  return {
    app,
    sandbox,
    origin: `http://127.0.0.1:${proxy.port}`,
    get reading() {
      return read()
    },
    outcome: (name) => read().outcomes[name as keyof UpstreamReading['outcomes']],
    async close() {
      await app.stop()
      await sandbox.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** One after the other: whoever comes second waits. */
export const ONE_AT_A_TIME = oneAtATimePolicy('20s')
