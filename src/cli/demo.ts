/** `weir demo`: the main job, visible, with no key and no network. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { createApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { DEMO_POLICY } from '../demo/policy.ts'
import { FULL, play, QUICK, type Arm, type ArmResult, type Upstreams } from '../demo/story.ts'
import { comparison, liveTable } from '../demo/table.ts'

interface DemoFlags {
  readonly quick?: boolean
  readonly json?: boolean
}

export function demoCommand(): Command {
  return new Command('demo')
    .description('play a degradation of two upstreams under real SDK clients, without Weir and through it')
    .option('--quick', 'a shorter story')
    .option('--json', 'print the two results as JSON')
    .action(async (flags: DemoFlags) => {
      const times = flags.quick === true ? QUICK : FULL
      const table = liveTable(process.stderr, times)
      const one = async (prepare: (upstreams: Upstreams) => Promise<Arm>): Promise<ArmResult> => {
        const result = await play(prepare, times, (progress) => table.show(progress))
        table.done()
        return result
      }
      const direct = await one(directArm)
      const weir = await one(weirArm)
      if (flags.json === true) process.stdout.write(`${JSON.stringify({ direct, weir }, undefined, 2)}\n`)
      else process.stdout.write(`\n${comparison(direct, weir)}`)
    })
}

function directArm(upstreams: Upstreams): Promise<Arm> {
  return Promise.resolve({
    name: 'direct',
    baseUrl: (upstream) => upstreams[upstream].url,
    acts: () => ({ held: 0, slotted: 0 }),
    stop: () => Promise.resolve(),
  })
}

async function weirArm(upstreams: Upstreams): Promise<Arm> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-demo-'))
  const file = join(directory, 'demo.yaml')
  await writeFile(file, DEMO_POLICY)
  const config = loadConfig({
    flags: {
      upstream: [`idp=${upstreams.idp.url}`, `model=${upstreams.model.url}`],
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [file],
      logLevel: 'silent',
    },
  })
  const app = createApp(config)
  const { proxy } = await app.start()
  return {
    name: 'weir',
    baseUrl: (upstream, agent) => `http://${proxy.host}:${proxy.port}/@${agent}/${upstream}`,
    acts: () => {
      let held = 0
      let slotted = 0
      for (const upstream of app.core.read(performance.now()).upstreams) {
        for (const verdict of upstream.verdicts) {
          if (verdict.mode !== 'enforce') continue
          if (verdict.do === 'hold') held += verdict.count
          if (verdict.do === 'shed') slotted += verdict.count
        }
      }
      return { held, slotted }
    },
    stop: async () => {
      await app.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
