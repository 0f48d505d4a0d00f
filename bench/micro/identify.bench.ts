/**
 * What it costs to find out who calls and where the call goes: route and identify of one request, nanoseconds per
 * call, best of five rounds. Header strings are made anew for each call, as Node's parser does, since the hash of
 * a string that was seen before is remembered by V8; what that copying costs is measured apart and subtracted.
 */
import type { Arrival } from '../../src/core/model.ts'
import { createIdentifier } from '../../src/proxy/identify.ts'
import { createRouter } from '../../src/proxy/route.ts'

const ROUNDS = 5
const OPERATIONS = 50_000
const REMOTE = '127.0.0.1'

/** openai-js 7.55 over fetch of Node 24, wire.md 2. */
const OPENAI_JS = [
  ['host', '127.0.0.1:8080'],
  ['connection', 'keep-alive'],
  ['Accept', 'application/json'],
  ['User-Agent', 'OpenAI/JS 7.55.0'],
  ['X-Stainless-Retry-Count', '0'],
  ['X-Stainless-Lang', 'js'],
  ['X-Stainless-Package-Version', '7.55.0'],
  ['X-Stainless-OS', 'Linux'],
  ['X-Stainless-Arch', 'x64'],
  ['X-Stainless-Runtime', 'node'],
  ['X-Stainless-Runtime-Version', 'v24.21.0'],
  ['Authorization', `Bearer sk-proj-${'a1B2'.repeat(36)}`],
  ['Content-Type', 'application/json'],
  ['accept-language', '*'],
  ['sec-fetch-mode', 'cors'],
  ['accept-encoding', 'gzip, deflate'],
  ['content-length', '2048'],
].flat()
const TARGET = '/openai/v1/chat/completions'

/** Keeps results alive, so that nothing is optimised away. */
let sink = 0

function measured(operation: (i: number) => number): number {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    for (let i = 0; i < OPERATIONS; i++) sink += operation(i)
    best = Math.min(best, performance.now() - from)
  }
  return Math.round((best * 1e6) / OPERATIONS)
}

/** Keys are names, values nanoseconds per call. */
export async function run(): Promise<Record<string, number>> {
  const bytes = Buffer.from(OPENAI_JS.join('\n') + '\n' + TARGET, 'latin1')
  const ends: number[] = []
  for (let i = 0, at = -1; i < OPENAI_JS.length; i++) ends.push((at = at + 1 + OPENAI_JS[i]!.length))
  const fresh = (): string[] => {
    let from = 0
    const copies = ends.map((end) => {
      const text = bytes.toString('latin1', from, end)
      from = end + 1
      return text
    })
    copies.push(bytes.toString('latin1', from))
    return copies
  }
  const route = createRouter([{ name: 'openai', basePath: '' }], { urlBytes: 8192 })
  const identify = createIdentifier({ hashKey: Buffer.alloc(32, 7), agentHeader: 'x-agent-id' })
  const arrival = blankArrival()
  const both = (raw: readonly string[], target: string): number => {
    const routed = route('POST', target)
    if (!routed.ok) throw new Error(routed.reason)
    identify(raw, REMOTE, routed, 'POST', arrival)
    return arrival.fingerprint
  }
  both(OPENAI_JS, TARGET)
  if (arrival.family !== 'openai-js' || arrival.path !== '/v1/chat/completions')
    throw new Error('not identified')

  const copying = measured(() => fresh().length)
  const all = measured(() => {
    const raw = fresh()
    const target = raw.pop()!
    return both(raw, target)
  })
  const results = {
    'route + identify, openai-js, fresh strings': Math.max(0, all - copying),
    'route + identify, openai-js, known strings': measured(() => both(OPENAI_JS, TARGET)),
    'route, known target': measured(() => (route('POST', TARGET).ok ? 1 : 0)),
    'route, new target each time': measured((i) =>
      route('GET', `/openai/v1/threads/thread_${i}a?limit=20`).ok ? 1 : 0,
    ),
  }
  if (Number.isNaN(sink)) throw new Error('an operation gave no number')
  return results
}

function blankArrival(): Arrival {
  return {
    at: 0,
    call: 0,
    upstream: 0,
    agent: '',
    trust: 'derived',
    workflow: '',
    parent: '',
    method: '',
    path: '',
    route: '',
    bytes: 0,
    priority: 'normal',
    family: '',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 0,
    credential: 0,
    longLived: false,
    holdable: false,
    deferrable: false,
  }
}
