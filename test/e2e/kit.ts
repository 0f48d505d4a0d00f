/** A whole Weir on loopback between a real client and the sandbox, and what the two sides saw. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp } from '../../src/app.ts'
import type { App } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import type { Millis, Outcome, Verdict } from '../../src/core/model.ts'
import { createSandbox } from '../../src/demo/sandbox.ts'
import type { Sandbox } from '../../src/demo/sandbox.ts'
import type { LedgerCall } from '../../src/demo/sandbox-ledger.ts'
import type { SandboxBehaviour } from '../../src/demo/sandbox-script.ts'
import type { Call } from '../../src/proxy/call.ts'
import { startDistance, type Distance } from './distance.ts'

/** Names a logical call towards the sandbox; nothing that Weir reads. */
export const ID_HEADER = 'x-call-id'

/** Watches, and touches no call. */
const WATCHING = 'version: 1\nrules:\n  - name: watch\n    mode: shadow\n    then: { do: hold }\n'

/** One call as Weir saw it, written down at its end. */
export interface SeenCall {
  readonly id: string
  readonly agent: string
  readonly workflow: string
  readonly family: string
  readonly path: string
  readonly outcome: Outcome
  readonly verdict: Verdict | undefined
  readonly heldMs: Millis
  /** Came back at least once on a 307. */
  readonly hopped: boolean
}

export interface World {
  readonly sandbox: Sandbox
  readonly app: App
  /** `http://127.0.0.1:port` of the listener for agents. */
  readonly origin: string
  readonly port: number
  readonly seen: readonly SeenCall[]
  /** Base URL of the upstream, with `who` (`agent` or `agent.workflow`) in it unless that is ''. */
  base(who?: string): string
  call(id: string): LedgerCall
  /** When the upstream got the first try of a call, on the clock of Weir's verdicts. */
  reachedAt(id: string): Millis
  readonly retries: number
  /** The way to the sandbox, when it is far. */
  readonly wire: Distance | undefined
  close(): Promise<void>
}

export interface WorldOptions {
  readonly policy?: string
  readonly behaviour?: Partial<SandboxBehaviour>
  /** Name of the upstream; the dialect of Weir's refusals follows from it. */
  readonly upstream?: string
  /** Instead of the sandbox. */
  readonly upstreamUrl?: string
  readonly hopMs?: Millis
  /** More of `weir.yaml`. */
  readonly config?: string
  /** How far away the sandbox is: each way takes as long. */
  readonly distanceMs?: Millis
  readonly onCallEnd?: (call: Call, id: string) => void
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const name = options.upstream ?? 'openai'
  const sandbox = createSandbox({ behaviour: options.behaviour ?? {}, idHeader: ID_HEADER })
  await sandbox.listen()
  const wire =
    options.distanceMs === undefined ? undefined : await startDistance(sandbox.url, options.distanceMs)
  const directory = await mkdtemp(join(tmpdir(), 'weir-e2e-'))
  const file = join(directory, 'e2e.yaml')
  await writeFile(file, options.policy ?? WATCHING)
  await writeFile(join(directory, 'weir.yaml'), options.config ?? '{}')
  const config = loadConfig({
    env: {},
    cwd: directory,
    flags: {
      upstream: [`${name}=${options.upstreamUrl ?? wire?.url ?? sandbox.url}`],
      listen: '127.0.0.1:0',
      operator: '127.0.0.1:0',
      policies: [file],
      logLevel: 'silent',
    },
  })
  const seen: SeenCall[] = []
  const { hold } = config.proxy
  const proxyOptions = {
    ...config.proxy,
    hold: { ...hold, hopMs: options.hopMs ?? hold.hopMs },
    drainDelayMs: 0,
    drainMs: 200,
  }
  const app = createApp(
    { ...config, proxy: proxyOptions },
    {
      seed: 1,
      onCallEnd(call, outcome) {
        const header = call.request.headers[ID_HEADER]
        const id = typeof header === 'string' ? header : ''
        options.onCallEnd?.(call, id)
        const { agent, workflow, family, path } = call.arrival
        seen.push({
          id,
          agent,
          workflow,
          family,
          path,
          outcome,
          verdict: call.verdict,
          heldMs: call.heldMs,
          hopped: call.request.url?.includes('__weir=') === true,
        })
      },
    },
  )
  const { proxy } = await app.start()
  const origin = `http://127.0.0.1:${proxy.port}`
  const call = (id: string): LedgerCall => {
    const found = sandbox.ledger.calls.get(id)
    if (found === undefined) throw new Error(`the upstream never saw call '${id}'`)
    return found
  }
  return {
    sandbox,
    app,
    origin,
    port: proxy.port,
    seen,
    base: (who = '') => (who === '' ? `${origin}/${name}` : `${origin}/@${who}/${name}`),
    call,
    wire,
    reachedAt: (id) => performance.now() - sandbox.ledger.age + call(id).firstAt,
    get retries() {
      return app.core.read(performance.now()).upstreams[0]?.retries ?? Number.NaN
    },
    async close() {
      await app.stop()
      await wire?.close()
      await sandbox.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** Waits for something that follows within moments; false = it did not. */
export async function eventually(truth: () => boolean, withinMs = 3000): Promise<boolean> {
  const until = performance.now() + withinMs
  while (!truth() && performance.now() < until) await pause(5)
  return truth()
}

export function pause(ms: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
