/** A Weir with a commons on a disk, and the two sandbox upstreams behind it, for as long as the workflow demo lasts. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from '../../app.ts'
import { loadConfig } from '../../config.ts'
import { DEMO_POLICY } from '../policy.ts'
import { createSandbox } from '../sandbox.ts'
import type { Stage } from './story.ts'

/** As in the demo of two arms: two thirds loaded while it is well. */
const MODEL = { servers: 9, serviceMs: 300, sigma: 0.3 }
const TOOLS = { servers: 9, serviceMs: 200, sigma: 0.3 }

export async function workflowStage(): Promise<Stage & { close(): Promise<void> }> {
  const [tools, model] = [createSandbox({ seed: 3 }), createSandbox({ seed: 2 })]
  tools.behave(TOOLS)
  model.behave(MODEL)
  await Promise.all([tools.listen(), model.listen()])
  const directory = await mkdtemp(join(tmpdir(), 'weir-demo-'))
  const policy = join(directory, 'demo.yaml')
  await writeFile(policy, DEMO_POLICY)
  const config = loadConfig({
    env: {},
    flags: {
      upstream: [`tools=${tools.url}`, `model=${model.url}`],
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [policy],
      logLevel: 'silent',
    },
  })
  const store = { kind: 'lmdb' as const, dir: join(directory, 'commons') }
  const app = createApp({ ...config, commons: { store, limits: {} } })
  const { proxy } = await app.start()
  return {
    origin: `http://${proxy.host}:${proxy.port}`,
    tools,
    model,
    async close() {
      await app.stop()
      await Promise.all([tools.close(), model.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}
