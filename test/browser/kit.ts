/** A real Chromium in front of a real Weir. What is missing is an error: a test of the page that is skipped is none. */
import { existsSync, mkdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { createApp, type App } from '../../src/app.ts'
import { dashboardPages } from '../../src/admin/dashboard.ts'
import { LiveFeed } from '../../src/admin/live-feed.ts'
import type { LiveFrame } from '../../src/admin/live-frame.ts'
import { createAdmin, type Admin } from '../../src/admin/server.ts'
import type { EventView } from '../../src/admin/views.ts'
import { loadConfig } from '../../src/config.ts'
import { createSandbox, type Sandbox } from '../../src/demo/sandbox.ts'
import { EventFeed } from '../../src/telemetry/event-feed.ts'
import { createLog } from '../../src/telemetry/log.ts'

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
/** Git-ignored; for people who want to look. */
const SHOTS = join(import.meta.dirname, '../../coverage/dashboard')

export async function openBrowser(): Promise<Browser> {
  if (!existsSync(CHROMIUM)) {
    throw new Error(`no browser at ${CHROMIUM}: apt-get install chromium, or name one in CHROMIUM`)
  }
  // In a container there is no user namespace for the sandbox; the pages are our own.
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
}

/** A page whose errors, refused scripts and styles included, are collected. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<{ page: Page; errors: string[] }> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text())
  })
  await page.goto(url)
  return { page, errors }
}

export async function shoot(page: Page, name: string): Promise<void> {
  mkdirSync(SHOTS, { recursive: true })
  await page.screenshot({ path: join(SHOTS, `${name}.png`), fullPage: true })
}

/** Three times slower from six seconds on, which is long enough to learn what healthy is, for longer than the tests. */
const TROUBLE = { from: 6000, until: 120_000, slow: 3.5 }

export interface Rig {
  readonly app: App
  readonly agents: string
  readonly operator: string
  readonly policyFile: string
  close(): Promise<void>
}

const POLICY = `version: 1
upstreams:
  '*':
    drift: { warmUp: 4s, warmUpSamples: 40, clear: 5s }
    hold: { max: 4s }
    slots: { max: 20s }
rules:
  - name: stop-runaways
    description: loops, and workflows over their budget
    mode: shadow
    when: { workflow: [looping, over-budget] }
    then: { do: shed }
  - name: as-much-as-it-can-bear
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`

/** Weir between two sandboxes that will be in trouble soon. */
export async function startRig({ control }: { readonly control: boolean }): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), 'weir-browser-'))
  const policyFile = join(directory, 'demo.yaml')
  await writeFile(policyFile, POLICY)
  await writeFile(join(directory, 'weir.yaml'), `operator: { control: ${control} }\npolicies: [demo.yaml]\n`)
  const idp: Sandbox = createSandbox({ seed: 1 })
  const model: Sandbox = createSandbox({ seed: 2 })
  idp.behave({ servers: 6, serviceMs: 200, sigma: 0.2, phases: [TROUBLE] })
  model.behave({ servers: 9, serviceMs: 300, sigma: 0.3, phases: [TROUBLE] })
  await Promise.all([idp.listen(), model.listen()])
  const flags = {
    config: join(directory, 'weir.yaml'),
    upstream: [`idp=${idp.url}`, `openai=${model.url}`],
    listen: '127.0.0.1:0',
    operator: '127.0.0.1:0',
    logLevel: 'silent',
  }
  const app = createApp(loadConfig({ env: {}, flags }))
  const { proxy, operator } = await app.start()
  return {
    app,
    agents: `http://127.0.0.1:${proxy.port}`,
    operator: `http://127.0.0.1:${operator.port}`,
    policyFile,
    close: async () => {
      await app.stop()
      await Promise.all([idp.close(), model.close()])
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** The operator's listener alone, showing whatever `frame` is, ten times a second. */
export interface Stage {
  frame: LiveFrame
  readonly events: EventFeed<EventView>
  readonly live: LiveFeed
  readonly url: string
  /** Closes, and answers what opens again on the same port. */
  stop(): Promise<() => Promise<void>>
}

export async function openStage(frame: LiveFrame, rules: readonly object[] = []): Promise<Stage> {
  const events = new EventFeed<EventView>()
  const live = new LiveFeed(() => stage.frame, 100)
  const make = (port: number): Admin =>
    createAdmin(
      {
        core: { read: never, agents: never, workflows: never },
        clock: () => 0,
        upstreams: [],
        metrics: { contentType: 'text/plain', scrape: () => Promise.resolve('') },
        feed: events,
        live,
        log: createLog({ level: 'silent', access: false, clock: () => 0 }),
        readiness: () => 'ready',
        policies: () => ({ reloadFailed: false, problems: [], rules }),
        config: () => ({}),
        pages: dashboardPages(),
      },
      { host: '127.0.0.1', port },
    )
  let admin = make(0)
  const { port } = await admin.listen()
  const stage: Stage = {
    frame,
    events,
    live,
    url: `http://127.0.0.1:${port}`,
    async stop() {
      await admin.close()
      return async () => {
        admin = make(port)
        await admin.listen()
      }
    },
  }
  return stage
}

function never(): never {
  throw new Error('the stage has no core')
}
