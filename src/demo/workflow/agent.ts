/**
 * An agent of the workflow demo, a process of its own: registers, takes what it can do, does it by calls through Weir,
 * and hands on what came out. It knows nothing of the other agents, of the order of the steps, or of how the upstreams are.
 *
 * Words of its command line: origin of Weir's agents' listener, its name, how it speaks, what it can do.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { SILENCE_MS, STEPS, WORK } from './plan.ts'
import { byHttp, byMcp, record, Refusal, textOf, type Speak, type Told } from './speaker.ts'

const [origin = '', name = '', speaks = 'http', ...can] = process.argv.slice(2)
const BEAT_MS = SILENCE_MS / 4
/** A call that Weir puts off comes back when it was told to, so many times. */
const TRIES = 12
const CALL_MS = 10_000

async function live(): Promise<void> {
  const speak = speaks === 'mcp' ? await byMcp(origin, name) : byHttp(origin, name)
  const capabilities = can.map((step) => ({ name: step }))
  const register = (): Promise<unknown> =>
    speak('register_agent', { agent: name, capabilities, ttlMs: SILENCE_MS })
  await register()
  // Who was silent for too long has left, and comes back by saying anew what it can do.
  setInterval(() => void speak('heartbeat_agent', { agent: name }).catch(register).catch(ignore), BEAT_MS)
  for (;;) {
    const task = await speak('claim_task', { capabilities: can, waitMs: 5000 }).catch(() => undefined)
    if (task === undefined) await sleep(BEAT_MS)
    else if (typeof task['id'] === 'string') await carryOut(speak, task)
  }
}

async function carryOut(speak: Speak, task: Told): Promise<void> {
  const { id, fence } = task
  const beat = setInterval(() => void speak('heartbeat_task', { id, fence }).catch(ignore), BEAT_MS)
  try {
    const output = await work(task)
    await speak('complete_task', { id, fence, output })
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'unknown'
    // Refused = it is no longer this agent's: somebody else has it, and there is nothing to say.
    if (!(error instanceof Refusal)) await speak('fail_task', { id, fence, reason }).catch(ignore)
  }
  clearInterval(beat)
}

async function work(task: Told): Promise<object> {
  const kind = STEPS.find((step) => step === task['kind'])
  if (kind === undefined) throw new Error('a step that it knows nothing of')
  const { upstream, path, calls } = WORK[kind]
  const workflow = textOf(task, 'correlationid')
  for (let index = 1; index <= calls; index++) {
    // What has an effect outside carries a key that every attempt repeats.
    const key =
      kind === 'publish' ? `publish-${workflow}` : `${textOf(task, 'id')}-${Number(task['fence'])}-${index}`
    await call(`${origin}/@${name}.${workflow}/${upstream}${path}`, key, task['input'])
  }
  return { by: name, text: `${kind} of ${workflow} (${textOf(record(task['input']), 'text')})`.slice(0, 200) }
}

async function call(url: string, key: string, input: unknown): Promise<void> {
  for (let tries = 1; ; tries++) {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-call-id': key, 'idempotency-key': key },
      body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: JSON.stringify(input) }] }),
      signal: AbortSignal.timeout(CALL_MS),
    })
    await answer.arrayBuffer()
    if (answer.ok) return
    if (tries >= TRIES) throw new Error(`the upstream answered ${answer.status}`)
    const waitMs = Number(
      answer.headers.get('retry-after-ms') ?? 1000 * Number(answer.headers.get('retry-after') ?? 1),
    )
    await sleep(Math.min(5000, Math.max(100, Number.isFinite(waitMs) ? waitMs : 1000)))
  }
}

function ignore(): void {}

// Whoever started it is gone: there is nothing left to do.
process.on('disconnect', () => process.exit(0))
live().catch((error: unknown) => {
  process.stderr.write(`${name}: ${String(error)}\n`)
  process.exit(1)
})
