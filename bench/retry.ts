/**
 * How well Weir tells the retries of the real SDKs from first tries, on the traffic that misleads most (wire.md 8):
 * one agent with fan-outs of twelve equal calls, three equal ones at a time, a loop of growing calls and a poll
 * every 500 ms, while about a quarter of all tries fail: with 500, and in a second run (`advised`) with 429 and a
 * Retry-After of one second. The truth is an id of the logical call in a header that Weir does not read, set once by
 * the caller and repeated by the SDK on every try.
 *
 * `precision` and `recall` are of single calls; `countError` is how far the number of calls taken for retries is
 * off, `sumError` the same for the sum of confidences, which is what the metrics show. For clients that never retry
 * `takenRatio` is the share of their calls taken for retries all the same.
 *
 * The clients are those of `test/e2e` (`npm ci --prefix test/e2e`); most need Node 22 or later, as in
 * `npx -y -p node@26 -c "node --import tsx bench/run.ts retry"`. Those that do not load are named in `absent`.
 */
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Arrival, Millis, Verdict } from '../src/core/model.ts'
import { seeded, type Random } from '../src/core/random.ts'
import type { SandboxPhase } from '../src/demo/sandbox-script.ts'
import type { Client, Driver } from '../test/e2e/client.ts'
import { eventually, pause, startWorld } from '../test/e2e/kit.ts'

const E2E = join(dirname(fileURLToPath(import.meta.url)), '..', 'test', 'e2e')
/** Clients that retry, and two that never do. */
const MEASURED = [
  'openai',
  'anthropic',
  'ai-sdk',
  'langchain',
  'genai-retrying',
  'axios-retry',
  'got',
  'undici-retry-agent',
  'fetch',
  'mcp',
]
/** Worlds at once: more, and they wait for the processor instead of their back-off. */
const AT_ONCE = 5
/** A quarter of all tries fails. */
const FAILING = { from: 0, until: Infinity, errorRatio: 0.25, errorStatus: 500 }
/** Less than the traffic asks for: what is over it is refused, and told to come back in a second. */
const ADVISED = { from: 0, until: Infinity, rateLimit: { perSecond: 10, retryAfterMs: 1000 } }
/** One way to the upstream: refusals of a real one are not instant either. */
const DISTANCE_MS = 20
const FAN_OUT = 12
const N_BEST = 3
const POLL_MS: Millis = 500
/** LangChain's last back-off ends after two minutes at the latest. */
const DRAIN_MS: Millis = 150_000

interface Try {
  readonly id: string
  readonly at: Millis
  /** That it is a retry, as the core says; 0 = none. */
  readonly confidence: number
}

interface Figures {
  readonly calls: number
  readonly retries: number
  readonly precision?: number
  readonly recall?: number
  readonly countError?: number
  readonly sumError?: number
  readonly takenRatio?: number
}

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  if (!existsSync(join(E2E, 'node_modules'))) {
    throw new Error('the clients are not installed: run `npm ci --prefix test/e2e`')
  }
  // By a path that the compiler does not follow: the clients have packages of their own.
  const module = (await import(join(E2E, 'clients.ts'))) as { CLIENTS: readonly Client[] }
  const clients = module.CLIENTS.filter(({ name }) => MEASURED.includes(name))
  const figures: Record<string, unknown> = {}
  const absent: string[] = []
  const next = clients.values()
  const worker = async (): Promise<void> => {
    for (const client of next) {
      try {
        const forMs = options.smoke ? 4000 : 45_000
        const failing = scores(client, await measure(client, FAILING, forMs))
        const advised = scores(client, await measure(client, ADVISED, forMs))
        figures[client.name] = { ...failing, advised }
      } catch (error) {
        if (!(error instanceof NotLoaded)) throw error
        absent.push(client.name)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  if (absent.length > 0) {
    process.stderr.write(
      `bench: ${absent.join(', ')} did not load on Node ${process.version}; Node 26 has all\n`,
    )
  }
  return { ...figures, absent }
}

class NotLoaded extends Error {
  override readonly name = 'NotLoaded'
}

async function measure(client: Client, phase: SandboxPhase, trafficMs: Millis): Promise<readonly Try[]> {
  const tries: Try[] = []
  const confidences = new Map<number, number>()
  const world = await startWorld({
    upstream: client.upstream,
    distanceMs: DISTANCE_MS,
    onCallEnd({ slot, arrivedAt }, id) {
      if (id === '' || id === 'session') return
      tries.push({ id, at: arrivedAt, confidence: confidences.get(slot) ?? 0 })
    },
  })
  // What one arrival adds to the sum of confidences is its own.
  const { core } = world.app
  const arrive = core.arrive.bind(core)
  let before = 0
  core.arrive = (arrival: Arrival): Verdict => {
    const slot = arrival.call
    const verdict = arrive(arrival)
    const after = world.retries
    confidences.set(slot, after - before)
    before = after
    return verdict
  }
  let driver: Driver | undefined
  try {
    try {
      driver = await client.connect(world.base('bench'))
    } catch (cause) {
      throw new NotLoaded(client.name, { cause })
    }
    world.sandbox.behave({ serviceMs: 150, sigma: 0.5, phases: [phase] })
    await traffic(driver, trafficMs, seeded(client.name.length))
    await eventually(() => core.read(performance.now()).open === 0)
    return tries
  } finally {
    await driver?.close?.()
    await world.close()
  }
}

/** Ends when all calls have ended. */
async function traffic(driver: Driver, forMs: Millis, random: Random): Promise<void> {
  const until = performance.now() + forMs
  let made = 0
  const call = async (bytes: number): Promise<void> => {
    made += 1
    const signal = AbortSignal.timeout(forMs + DRAIN_MS)
    await driver.ask({ id: `call-${made}`, text: 'x'.repeat(bytes), signal }).catch(() => {})
  }
  const goesOn = (): boolean => performance.now() < until
  const fanOuts = async (): Promise<void> => {
    for (let bytes = 100; goesOn(); bytes += 10) {
      await Promise.all(Array.from({ length: FAN_OUT }, () => call(bytes)))
      await pause(200 + 800 * random())
    }
  }
  const nBest = async (): Promise<void> => {
    const running: Promise<void>[] = []
    for (; goesOn(); await pause(6000 + 3000 * random())) {
      for (let copy = 0; copy < N_BEST; copy++) running.push(call(50))
    }
    await Promise.all(running)
  }
  const loop = async (): Promise<void> => {
    for (let bytes = 2003; goesOn(); bytes += 10) {
      await call(bytes)
      await pause(100 + 400 * random())
    }
  }
  const poll = async (): Promise<void> => {
    while (goesOn()) await Promise.all([call(20), pause(POLL_MS)])
  }
  await Promise.all([fanOuts(), nBest(), loop(), poll()])
}

function scores(client: Client, tries: readonly Try[]): Figures {
  const tried = new Set<string>()
  let retries = 0
  let taken = 0
  let hits = 0
  let confidence = 0
  for (const { id, ...seen } of tries.toSorted((one, other) => one.at - other.at)) {
    const isRetry = tried.has(id)
    const isTaken = seen.confidence > 0
    tried.add(id)
    retries += Number(isRetry)
    taken += Number(isTaken)
    hits += Number(isRetry && isTaken)
    confidence += seen.confidence
  }
  const calls = tries.length
  if (!client.retries) return { calls, retries, takenRatio: rounded(taken / calls) }
  return {
    calls,
    retries,
    precision: rounded(hits / taken),
    recall: rounded(hits / retries),
    countError: rounded(Math.abs(taken - retries) / retries),
    sumError: rounded(Math.abs(confidence - retries) / retries),
  }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}
