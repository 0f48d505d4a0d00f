/**
 * `npm run bench -- identity`: what a flood of wrong keys costs those who have a right one. Weir, the flood and the
 * honest client are processes of their own; rounds with the flood and without alternate, so that what else the machine does
 * falls on both. Then what one check costs by itself.
 *
 * `p99Ratio`: p99 of the honest calls under the flood over p99 without. It holds what the flood takes from the machine as
 * well (two processes more on its cores), which `p99RatioElsewhere` shows: the same flood against a second Weir.
 */
import { spawn } from 'node:child_process'
import type { IncomingMessage } from 'node:http'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { Agent, request as send } from 'undici'
import { KeyRing, newKey } from '../src/identity/api-key.ts'
import { Gate } from '../src/identity/gate.ts'
import { KeySet } from '../src/identity/key-set.ts'
import { withKey } from '../src/identity/keys-file.ts'
import { Permissions } from '../src/identity/permissions.ts'
import { Tokens } from '../src/identity/tokens.ts'
import { HttpUpstream } from '../test/kit/http-upstream.ts'
import { WeirProcess } from '../test/kit/weir-process.ts'

const FLOOD = fileURLToPath(new URL('identity/flood.mjs', import.meta.url))
const WRONG_PER_SECOND = 10_000
const HONEST_PER_SECOND = 200

export async function run({ smoke }: { smoke: boolean }): Promise<Record<string, unknown>> {
  const rounds = smoke ? 1 : 4
  const roundMs = smoke ? 2000 : 5000
  const nsPerCheck = await costOfChecks(smoke ? 20_000 : 300_000)
  const upstream = await HttpUpstream.start({ body: '{}' })
  const honest = newKey('honest', Date.now())
  const weirs = await Promise.all(
    [1, 2].map(() => Gated.start(upstream.url.href, withKey('keys.yaml', knownKey(), honest.record))),
  )
  const [weir, other] = weirs as [Gated, Gated]
  try {
    await measure(weir, honest.key, 2000)
    const quiet: number[] = []
    const flooded: number[] = []
    const elsewhere: number[] = []
    const floods: FloodFigures[] = []
    // Once before, so that the heap has the size that a flood needs, and grows from there or does not.
    await flood(weir.port, 3000)
    const before = await weir.heapMiB()
    for (let round = 0; round < rounds; round++) {
      quiet.push(...(await measure(weir, honest.key, roundMs)))
      flooded.push(...(await during(flood(weir.port, roundMs), weir, honest.key, roundMs, floods)))
      elsewhere.push(...(await during(flood(other.port, roundMs), weir, honest.key, roundMs)))
    }
    const after = await weir.heapMiB()
    const base = quantile(quiet, 0.99)
    return {
      wrongKeysPerSecond: Math.round(mean(floods.map(({ perSecond }) => perSecond))),
      otherAnswers: floods.reduce((sum, { others }) => sum + others, 0),
      p99Ratio: rounded(quantile(flooded, 0.99) / base),
      p99RatioElsewhere: rounded(quantile(elsewhere, 0.99) / base),
      p99Ms: {
        quiet: rounded(base),
        flooded: rounded(quantile(flooded, 0.99)),
        elsewhere: rounded(quantile(elsewhere, 0.99)),
      },
      p50Ms: { quiet: rounded(quantile(quiet, 0.5)), flooded: rounded(quantile(flooded, 0.5)) },
      heapGrowthMiB: rounded(after - before),
      logLines: weir.lines,
      nsPerCheck,
    }
  } finally {
    await Promise.all(weirs.map((one) => one.close()))
    await upstream.close()
  }
}

interface FloodFigures {
  readonly perSecond: number
  readonly others: number
}

class Gated {
  readonly #process: WeirProcess
  readonly #dir: string
  readonly agents: string
  readonly #operator: string
  readonly dispatcher = new Agent({ connections: 64 })
  lines = 0

  private constructor(weir: WeirProcess, dir: string, agents: string, operator: string) {
    this.#process = weir
    this.#dir = dir
    this.agents = agents
    this.#operator = operator
  }

  static async start(upstream: string, keys: string): Promise<Gated> {
    const dir = await mkdtemp(join(tmpdir(), 'weir-identity-'))
    await writeFile(join(dir, 'keys.yaml'), keys)
    await writeFile(join(dir, 'policy.yaml'), 'version: 1\nrules: []\n')
    await writeFile(
      join(dir, 'weir.yaml'),
      `listen: 127.0.0.1:0
operator: { listen: 127.0.0.1:0 }
upstreams: { up: ${upstream} }
policies: [policy.yaml]
auth: { keys: keys.yaml }
permissions: { grants: [{ agents: ['*'], upstreams: ['*'] }] }
drain: { max: 1s }
`,
    )
    let made: Gated | undefined
    const onOutput = (text: string): void => {
      if (made !== undefined) made.lines += text.split('\n').length - 1
    }
    const weir = new WeirProcess(['--config', join(dir, 'weir.yaml')], { onOutput })
    const { agents, operator } = await weir.ready()
    made = new Gated(weir, dir, agents, operator)
    return made
  }

  get port(): number {
    return Number(new URL(this.agents).port)
  }

  /** The least of several seconds: what is left when garbage has just been collected. */
  async heapMiB(): Promise<number> {
    let least = Infinity
    for (let n = 0; n < 10; n++) {
      const page = await (await fetch(`${this.#operator}/metrics`)).text()
      least = Math.min(least, Number(/^nodejs_heap_size_used_bytes (\S+)$/m.exec(page)?.[1]))
      await new Promise((resolve) => setTimeout(resolve, 200))
    }
    return least / 2 ** 20
  }

  async close(): Promise<void> {
    await this.dispatcher.close()
    await this.#process.kill()
    await rm(this.#dir, { recursive: true, force: true })
  }
}

async function during(
  flooding: Promise<FloodFigures>,
  weir: Gated,
  key: string,
  ms: number,
  floods?: FloodFigures[],
): Promise<number[]> {
  // Its connections are open and it has begun.
  await new Promise((resolve) => setTimeout(resolve, 500))
  const times = await measure(weir, key, ms - 800)
  floods?.push(await flooding)
  await flooding
  return times
}

/** Latencies in ms of honest calls, sent at a constant rate whatever becomes of those before. */
async function measure(weir: Gated, key: string, ms: number): Promise<number[]> {
  const times: number[] = []
  const open: Promise<void>[] = []
  const startAt = performance.now()
  const count = Math.floor((ms * HONEST_PER_SECOND) / 1000)
  for (let n = 0; n < count; n++) {
    const dueAt = startAt + (n * 1000) / HONEST_PER_SECOND
    const waitMs = dueAt - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    open.push(call(weir, key, times))
  }
  await Promise.all(open)
  return times
}

async function call(weir: Gated, key: string, times: number[]): Promise<void> {
  const startAt = performance.now()
  const answer = await send(`${weir.agents}/up/v1/x`, {
    method: 'POST',
    headers: { 'weir-key': key },
    body: '{}',
    dispatcher: weir.dispatcher,
  })
  await answer.body.dump()
  if (answer.statusCode !== 200) throw new Error(`an honest call was answered ${answer.statusCode}`)
  times.push(performance.now() - startAt)
}

async function flood(port: number, ms: number): Promise<FloodFigures> {
  const child = spawn(process.execPath, [FLOOD, String(port), String(WRONG_PER_SECOND), String(ms)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += String(chunk)))
  await new Promise((resolve) => child.once('exit', resolve))
  return JSON.parse(text) as FloodFigures
}

/** The headers of a usual call, and what is shown. */
function requestWith(...shown: string[]): IncomingMessage {
  const common = [
    'host',
    'weir',
    'content-type',
    'application/json',
    'user-agent',
    'OpenAI/JS 6',
    'accept',
    '*/*',
  ]
  const rawHeaders = [...common, 'authorization', 'Bearer sk-of-the-upstream', ...shown]
  return { rawHeaders } as unknown as IncomingMessage
}

/** Nanoseconds of one check at the gate: the middle of five rounds. */
async function costOfChecks(times: number): Promise<Record<string, number>> {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const keySet = new KeySet(undefined, { clock: () => performance.now(), onProblem: () => {} })
  keySet.take(JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }] }))
  const options = {
    issuer: 'https://issuer.example',
    audiences: ['weir'],
    algorithms: ['ES256'],
    toleranceMs: 0,
    claim: 'sub',
    prefix: '',
    agents: ['*'],
  } as const
  const permissions = new Permissions({ unlisted: 'allow', groups: {}, grants: [] })
  const gate = new Gate(
    {
      mode: 'optional',
      wall: Date.now,
      upstreams: ['up'],
      isInjected: () => false,
      certificates: undefined,
      random: () => 0,
    },
    permissions,
  )
  gate.tokens = new Tokens([{ options, keySet }], Date.now)
  const keys = Array.from({ length: 1000 }, (_, n) => newKey(`agent-${n}`, 0))
  gate.adoptKeys(new KeyRing(keys.map(({ record }) => record)))
  const token = await new SignJWT({ iss: options.issuer, aud: 'weir', sub: 'kyc', pad: 'x'.repeat(500) })
    .setProtectedHeader({ alg: 'ES256', kid: 'one' })
    .setExpirationTime('1h')
    .sign(privateKey)
  const withToken = requestWith('weir-key', token)
  await gate.check(withToken, 0)
  const cost = (each: (n: number) => unknown): number => {
    const rounds = Array.from({ length: 5 }, () => {
      const startAt = performance.now()
      for (let n = 0; n < times; n++) each(n)
      return ((performance.now() - startAt) * 1e6) / times
    })
    return Math.round(rounds.toSorted((a, b) => a - b)[2]!)
  }
  const withKeys = keys.map(({ key }) => requestWith('weir-key', key))
  const wrong = keys.map(({ key }) => requestWith('weir-key', `${key}x`))
  const nothing = requestWith()
  return {
    key: cost((n) => gate.check(withKeys[n % 1000]!, 0)),
    wrongKey: cost((n) => gate.check(wrong[n % 1000]!, 0)),
    jwtCached: cost(() => gate.check(withToken, 0)),
    none: cost(() => gate.check(nothing, 0)),
  }
}

/** One whose id the flood knows. */
function knownKey(): string {
  return withKey('keys.yaml', '', newKey('somebody', 0, Infinity, 'known').record)
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
