/** `weir demo`: the main job, visible, with no key and no network. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Command, Option } from 'commander'
import { createApp } from '../app.ts'
import { loadConfig } from '../config.ts'
import { startPlanners } from '../demo/planners.ts'
import { DEMO_POLICY } from '../demo/policy.ts'
import { createSandbox, type Sandbox } from '../demo/sandbox.ts'
import { FULL, play, QUICK, type Arm, type ArmResult, type Upstreams } from '../demo/story.ts'
import { comparison, liveTable } from '../demo/table.ts'

interface DemoFlags {
  readonly quick?: boolean
  readonly json?: boolean
  readonly report?: string | true
  readonly workflow?: boolean
}

const REPORT_FILE = 'weir-demo-report.html'

export function demoCommand(): Command {
  return new Command('demo')
    .description('play a degradation of two upstreams under real SDK clients, without Weir and through it')
    .option('--quick', 'a shorter story')
    .option('--json', 'print the two results as JSON')
    .option('--report [file]', `journal both runs, and write a report of them (default: ${REPORT_FILE})`)
    .addOption(
      new Option(
        '--workflow',
        'play a workflow of four agents instead: one is killed, one upstream degrades',
      ).conflicts('report'),
    )
    .action(async (flags: DemoFlags) => {
      if (flags.workflow === true) {
        const { workflowDemo } = await import('./demo-workflow.ts')
        return workflowDemo(flags)
      }
      const times = flags.quick === true ? QUICK : FULL
      const table = liveTable(process.stderr, times)
      const one = async (prepare: (upstreams: Upstreams) => Promise<Arm>): Promise<ArmResult> => {
        const result = await play(prepare, times, (progress) => table.show(progress))
        table.done()
        return result
      }
      const report = flags.report === undefined ? undefined : await demoReport()
      // To be journaled, the first run needs a Weir, too: one that only watches, and touches nothing.
      const direct = await one(report === undefined ? directArm : report.watchedArm)
      const weir = await one(report === undefined ? weirArm : report.weirArm)
      if (flags.json === true) process.stdout.write(`${JSON.stringify({ direct, weir }, undefined, 2)}\n`)
      else process.stdout.write(`\n${comparison(direct, weir)}`)
      const file = await report?.write(flags.report === true ? REPORT_FILE : String(flags.report))
      if (file !== undefined) (flags.json === true ? process.stderr : process.stdout).write(`\n${file}\n`)
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

interface Journaled {
  readonly journal: string
  readonly mode: 'enforce' | 'shadow'
}

/** Both arms through a Weir that keeps a journal, with planners beside the fleet, and a page of the two journals. */
async function demoReport(): Promise<{
  watchedArm: (upstreams: Upstreams) => Promise<Arm>
  weirArm: (upstreams: Upstreams) => Promise<Arm>
  write: (file: string) => Promise<string>
}> {
  const { readFindings, writeReport } = await import('./report.ts')
  const directory = await mkdtemp(join(tmpdir(), 'weir-demo-journal-'))
  const journals = { shadow: join(directory, 'without'), enforce: join(directory, 'with') }
  const armOf = (mode: Journaled['mode']) => (upstreams: Upstreams) =>
    weirArm(upstreams, { mode, journal: journals[mode] })
  return {
    watchedArm: async (upstreams) => ({ ...(await armOf('shadow')(upstreams)), name: 'direct' }),
    weirArm: armOf('enforce'),
    async write(file) {
      const without = await readFindings({ journal: [journals.shadow], whatIf: false })
      const against = {
        own: 'Without Weir',
        other: 'with Weir',
        findings: await readFindings({ journal: [journals.enforce], whatIf: false }),
      }
      await writeReport(file, without, { title: 'Weir demo: two upstreams degrade', against })
      await rm(directory, { recursive: true, force: true })
      return resolve(file)
    },
  }
}

async function weirArm(upstreams: Upstreams, journaled?: Journaled): Promise<Arm> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-demo-'))
  const file = join(directory, 'demo.yaml')
  await writeFile(
    file,
    journaled?.mode === 'shadow' ? DEMO_POLICY.replaceAll('mode: enforce', 'mode: shadow') : DEMO_POLICY,
  )
  const tools = journaled === undefined ? undefined : await toolsSandbox()
  const config = loadConfig({
    flags: {
      upstream: [
        `idp=${upstreams.idp.url}`,
        `model=${upstreams.model.url}`,
        ...(tools === undefined ? [] : [`tools=${tools.url}`]),
      ],
      ...(journaled === undefined ? {} : { journal: journaled.journal }),
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [file],
      logLevel: 'silent',
    },
  })
  const app = createApp(config)
  const { proxy } = await app.start()
  const urlOf = (upstream: string, agent: string): string =>
    `http://${proxy.host}:${proxy.port}/@${agent}/${upstream}`
  const planners = tools === undefined ? undefined : startPlanners((agent) => urlOf('tools', agent))
  return {
    name: 'weir',
    baseUrl: urlOf,
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
      planners?.stop()
      await app.stop()
      await tools?.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** A third upstream, which stays well: what fans out there is no part of the story. */
async function toolsSandbox(): Promise<Sandbox> {
  const sandbox = createSandbox({ seed: 3 })
  sandbox.behave({ serviceMs: 250, sigma: 0.4 })
  await sandbox.listen()
  return sandbox
}
