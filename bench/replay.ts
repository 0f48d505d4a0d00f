/**
 * A real trace through a running Weir with its default policy: is every call answered with the upstream's own bytes,
 * and is none touched? Arrivals and sizes are those of Azure's conversation trace, callers those of real Claude Code
 * sessions; where the files are absent, generated ones of the same shape are used, and `source` says so.
 *
 * Every call of the trace is made twice at its time, once to the upstream itself and once through Weir, in turns
 * which of the two goes first; the two answers are compared by SHA-256. The time of the trace is compressed by
 * `compression`: arrivals and the upstream's answers both, so that as many calls overlap as in the trace. Bytes are
 * four to a token and not compressed. The upstream and the caller are this process, Weir is one of its own.
 */
import { createHash } from 'node:crypto'
import { Agent, request } from 'undici'
import { createSandbox } from '../src/demo/sandbox.ts'
import { buildWeir, startWeir } from './targets/all.ts'
import { freePort } from './targets/target.ts'
import { TRACES_AT, healthyTraces, type TracedCall } from './traces/healthy-traces.ts'

interface Stretch {
  readonly minutes: number
  readonly compression: number
}

const WHOLE: Stretch = { minutes: 21, compression: 20 }
const SMOKE: Stretch = { minutes: 4, compression: 80 }
/** The middle of what a call of the trace takes: 250 tokens at 25 ms each, and the first byte. */
const TOOK_MS = 6500
/** Connections to each of the two; more than ever are in flight. */
const CONNECTIONS = 512
/** A wait is also an end: longer than the longest answer, compressed or not. */
const GIVE_UP_MS = 60_000

interface Answer {
  readonly sha256: string
  readonly bytes: number
  /** `weir-verdict`; '' = none. */
  readonly verdict: string
}

interface Made {
  calls: number
  answered: number
  identical: number
  marked: number
  requestBytes: number
  responseBytes: number
  readonly lateMs: number[]
}

/** What the operator's API says of one upstream, as far as it is read here. */
interface UpstreamView {
  readonly condition: string
  readonly arrivals: number
  readonly retries: number
  readonly outcomes: Readonly<Record<string, number>>
  readonly verdicts: readonly { readonly do: string; readonly mode: string; readonly count: number }[]
}

export async function run(options: { smoke: boolean; data?: string }): Promise<Record<string, unknown>> {
  const stretch = options.smoke ? SMOKE : WHOLE
  const { source, calls } = callsOf(options.data ?? TRACES_AT, stretch)
  buildWeir()
  const sandbox = createSandbox({
    behaviour: { serviceMs: TOOK_MS / stretch.compression, sigma: 0.5 },
  })
  const upstream = await sandbox.listen()
  const operator = await freePort()
  const weir = await startWeir(Number(new URL(upstream).port), ['--operator', `127.0.0.1:${operator}`])
  const agent = new Agent({ connections: CONNECTIONS, headersTimeout: GIVE_UP_MS, bodyTimeout: GIVE_UP_MS })
  try {
    const made = await replay(calls, stretch, agent, upstream, `http://127.0.0.1:${weir.port}`)
    const view = await upstreamView(operator)
    const enforced = (kind: string): number =>
      sum(view.verdicts.filter((row) => row.do === kind && row.mode === 'enforce').map(({ count }) => count))
    const foreseen = sum(view.verdicts.filter(({ mode }) => mode === 'shadow').map(({ count }) => count))
    return {
      source,
      minutesOfTrace: stretch.minutes,
      compression: stretch.compression,
      calls: made.calls,
      answered: made.answered,
      identical: made.identical,
      held: enforced('hold'),
      deferred: enforced('defer'),
      shed: enforced('shed'),
      // What Weir says of itself, and what it wrote on answers: either counts.
      touched: Math.max(view.arrivals - (view.outcomes['passed'] ?? 0), made.marked),
      seenByWeir: view.arrivals,
      takenForRetries: Math.round(view.retries * 10) / 10,
      shadowVerdicts: foreseen,
      conditionAtEnd: view.condition,
      agents: new Set(calls.map((call) => call.agent)).size,
      peakInFlight: sandbox.ledger.peakInFlight,
      requestMiB: mebibytes(made.requestBytes),
      responseMiB: mebibytes(made.responseBytes),
      lateMsP99: Math.round(quantile(made.lateMs, 0.99) * 10) / 10,
    }
  } finally {
    await agent.close()
    await weir.stop()
    await sandbox.close()
  }
}

/** Times and sizes of one trace under the callers of another. */
function callsOf(folder: string, { minutes }: Stretch): { source: string; calls: TracedCall[] } {
  const traces = healthyTraces(folder)
  const sizes = traces.find(({ name }) => name.startsWith('azure')) ?? traces[0]
  const callers = traces.find(({ name }) => name.startsWith('claude')) ?? sizes
  if (sizes === undefined || callers === undefined) throw new Error('no trace, and none generated')
  // The middle of both: sessions overlap there, and the first minute of a recording is none of its traffic.
  const from = 60_000
  const within = sizes.calls.filter(({ atMs }) => atMs >= from && atMs < from + minutes * 60_000)
  const first = callers === sizes ? 0 : Math.floor((callers.calls.length - within.length) / 2)
  const calls = within.map((call, index) => {
    const caller = callers.calls[first + index] ?? call
    // In a base URL the first dot ends the name of the agent.
    return {
      ...call,
      atMs: call.atMs - from,
      agent: caller.agent.replaceAll('.', '-'),
      workflow: caller.workflow,
    }
  })
  const source = sizes.source === 'trace' && callers.source === 'trace' ? 'trace' : 'generated'
  return { source, calls }
}

async function replay(
  calls: readonly TracedCall[],
  { compression }: Stretch,
  dispatcher: Agent,
  upstream: string,
  weir: string,
): Promise<Made> {
  const made: Made = {
    calls: 0,
    answered: 0,
    identical: 0,
    marked: 0,
    requestBytes: 0,
    responseBytes: 0,
    lateMs: [],
  }
  const bytes = Buffer.alloc(Math.max(...calls.map(({ requestBytes }) => requestBytes), 0), 'word ')
  const running: Promise<void>[] = []
  const begunAt = performance.now()
  for (const [index, call] of calls.entries()) {
    const dueMs = call.atMs / compression
    const waitMs = dueMs - (performance.now() - begunAt)
    if (waitMs > 1) await new Promise((resolve) => setTimeout(resolve, waitMs))
    made.lateMs.push(Math.max(0, performance.now() - begunAt - dueMs))
    running.push(compare(call, index))
  }
  await Promise.all(running)
  return made

  async function compare(call: TracedCall, index: number): Promise<void> {
    const path = `/v1/replay?call=${index}&bytes=${call.answerBytes}`
    const body = bytes.subarray(0, call.requestBytes)
    const name = call.workflow === '' ? call.agent : `${call.agent}.${call.workflow}`
    const direct = (): Promise<Answer | undefined> => ask(dispatcher, upstream + path, body)
    const proxied = (): Promise<Answer | undefined> => ask(dispatcher, `${weir}/@${name}/api${path}`, body)
    made.calls += 1
    made.requestBytes += body.length
    const isDirectFirst = index % 2 === 0
    const [one, other] = isDirectFirst ? [direct(), proxied()] : [proxied(), direct()]
    const [expected, got] = isDirectFirst ? [await one, await other] : [await other, await one]
    if (got === undefined) return
    made.answered += 1
    made.responseBytes += got.bytes
    if (got.sha256 === expected?.sha256) made.identical += 1
    if (got.verdict !== '' && got.verdict !== 'pass') made.marked += 1
  }
}

/** Undefined = no whole answer. */
async function ask(dispatcher: Agent, url: string, body: Buffer): Promise<Answer | undefined> {
  try {
    const headers = { 'content-type': 'application/json' }
    const answer = await request(url, { method: 'POST', headers, body, dispatcher })
    const digest = createHash('sha256').update(
      `${answer.statusCode} ${String(answer.headers['content-type'])}\n`,
    )
    let bytes = 0
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      digest.update(chunk)
      bytes += chunk.length
    }
    const verdict = answer.headers['weir-verdict']
    return { sha256: digest.digest('hex'), bytes, verdict: typeof verdict === 'string' ? verdict : '' }
  } catch {
    return undefined
  }
}

async function upstreamView(operator: number): Promise<UpstreamView> {
  const answer = await request(`http://127.0.0.1:${operator}/api/v1/upstreams`)
  const { upstreams } = (await answer.body.json()) as { upstreams: UpstreamView[] }
  const [view] = upstreams
  if (view === undefined) throw new Error("the operator's API names no upstream")
  return view
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function mebibytes(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 10) / 10
}

function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0
}
