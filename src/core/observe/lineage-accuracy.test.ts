/**
 * How often the inference is right, on the traffic that misleads it most (wire.md 8): fan-outs of equal calls,
 * n-best, agent loops and polls, with a quarter of all calls failing. Clients wait by their own rules, read off
 * the real SDKs (wire.md 3), not by the windows under test.
 */
import { describe, expect, it } from 'vitest'
import type { Arrival } from '../model.ts'
import { seeded, type Random } from '../random.ts'
import { LineageTracker } from './lineage.ts'

interface Client {
  readonly name: string
  readonly family: string
  readonly tries: number
  /** Wait in ms after failure `n`, with the Retry-After told in ms (-1 = none). */
  readonly wait: (n: number, adviceMs: number, random: Random) => number
  readonly header?: 'count' | 'number'
}

const stainlessWait = (n: number, adviceMs: number, random: Random): number =>
  adviceMs >= 0 ? adviceMs : Math.min(8000, 500 * 2 ** (n - 1)) * (1 - random() * 0.25)
const seconds = (adviceMs: number): number => Math.ceil(adviceMs / 1000) * 1000

const CLIENTS: readonly Client[] = [
  { name: 'openai-js', family: 'openai-js', tries: 3, wait: stainlessWait, header: 'count' },
  { name: 'anthropic-py', family: 'anthropic-py', tries: 3, wait: stainlessWait, header: 'count' },
  {
    name: 'aws-js',
    family: 'aws-js',
    tries: 3,
    wait: (n, _adviceMs, random) => random() * 50 * 2 ** (n - 1),
    header: 'number',
  },
  {
    name: 'langchain-js',
    family: 'langchain-js',
    tries: 7,
    wait: (n, adviceMs, random) => Math.max((1 + random()) * 1000 * 2 ** (n - 1), seconds(adviceMs)),
  },
  {
    name: 'ai-sdk',
    family: 'ai-sdk',
    tries: 3,
    wait: (n, adviceMs) => (adviceMs >= 0 ? adviceMs : 2000 * 2 ** (n - 1)),
  },
  {
    name: 'genai-js with retryOptions',
    family: 'genai-js',
    tries: 5,
    wait: (n, _adviceMs, random) => (1 + random()) * 1000 * 2 ** (n - 1),
  },
  {
    name: 'got',
    family: 'got',
    tries: 3,
    wait: (n, adviceMs, random) => (adviceMs >= 0 ? seconds(adviceMs) : 1000 * 2 ** (n - 1) + random() * 100),
  },
  {
    name: 'axios-retry, exponential',
    family: 'axios',
    tries: 4,
    wait: (n, adviceMs, random) => Math.max(200 * 2 ** (n - 1), seconds(adviceMs)) * (1 + random() * 0.2),
  },
  {
    name: 'undici RetryAgent',
    family: 'undici',
    tries: 6,
    wait: (n, adviceMs) => (adviceMs >= 0 ? seconds(adviceMs) : 500 * 2 ** (n - 1)),
  },
  { name: 'fetch, which never retries', family: 'node-fetch', tries: 1, wait: () => 0 },
  { name: 'MCP, which never retries', family: 'mcp', tries: 1, wait: () => 0 },
]

interface Score {
  calls: number
  retries: number
  /** Taken for retries, rightly or not. */
  said: number
  hits: number
}

function score(client: Client, adviceMs: number, seed: number, total: Score): void {
  const random = seeded(seed)
  const tracker = new LineageTracker({ size: 4096 })
  const due: { at: number; run: (at: number) => void }[] = []
  const after = (at: number, run: (at: number) => void): void => void due.push({ at, run })
  function call(fingerprint: number, attempt: number, at: number, done: (at: number) => void): void {
    const proof = client.header === undefined ? 0 : attempt > 1 || client.header === 'number' ? attempt : 0
    const lineage = tracker.arrive({ ...ARRIVAL, family: client.family, fingerprint, attempt: proof }, at)
    const isRetry = lineage.kind === 'retry'
    const inferred = lineage.attempt
    total.calls++
    if (attempt > 1) total.retries++
    if (isRetry) total.said++
    if (isRetry && attempt > 1) total.hits++
    const fails = random() < 0.25
    after(at + (fails ? 20 : 30 + random() * 270), (endAt) => {
      if (!fails) {
        tracker.settledOk(fingerprint, endAt)
        done(endAt)
        return
      }
      tracker.failed(
        { fingerprint, onceKey: 0, family: client.family, attempt: inferred },
        429,
        adviceMs,
        endAt,
      )
      if (attempt >= client.tries) done(endAt)
      else {
        const late = 2 + random() * 13
        after(endAt + client.wait(attempt, adviceMs, random) + late, (next) =>
          call(fingerprint, attempt + 1, next, done),
        )
      }
    })
  }

  let nextFingerprint = 1
  for (let agent = 0; agent < 6; agent++) {
    const fanOut = (at: number): void => {
      const fingerprint = nextFingerprint++
      let left = 12
      for (let i = 0; i < 12; i++) {
        after(at + random() * 20, (start) =>
          call(fingerprint, 1, start, (end) => {
            left--
            if (left === 0 && end < 60_000) after(end + 200 + random() * 800, fanOut)
          }),
        )
      }
    }
    const best = nextFingerprint++
    const nBest = (at: number): void => {
      for (let i = 0; i < 3; i++) call(best, 1, at, () => undefined)
      if (at < 60_000) after(at + 6000 + random() * 3000, nBest)
    }
    const loop = (at: number): void =>
      call(nextFingerprint++, 1, at, (end) => {
        if (end < 60_000) after(end + 100 + random() * 400, loop)
      })
    const poll = nextFingerprint++
    const polls = (at: number): void =>
      call(poll, 1, at, (end) => {
        if (end < 60_000) after(Math.max(end, at + 500), polls)
      })
    for (const start of [fanOut, nBest, loop, polls]) after(random() * 1000, start)
  }
  for (;;) {
    if (due.length === 0) break
    let first = 0
    for (let i = 1; i < due.length; i++) if (due[i]!.at < due[first]!.at) first = i
    const [event] = due.splice(first, 1)
    event!.run(event!.at)
  }
}

/** Truth and inference over five runs of a minute each. */
function tally(client: Client, adviceMs: number): Score {
  const total = { calls: 0, retries: 0, said: 0, hits: 0 }
  for (let seed = 1; seed <= 5; seed++) score(client, adviceMs, seed, total)
  return total
}

describe('retry inference on misleading traffic', () => {
  for (const client of CLIENTS.filter(({ tries }) => tries > 1)) {
    for (const adviceMs of [-1, 1000, 3000]) {
      it(`tells the retries of ${client.name}, ${adviceMs < 0 ? 'no advice' : `advice ${adviceMs} ms`}`, () => {
        const { retries, said, hits } = tally(client, adviceMs)
        expect(retries).toBeGreaterThan(1000)
        expect(hits / said, 'precision').toBeGreaterThanOrEqual(0.97)
        expect(hits / retries, 'recall').toBeGreaterThanOrEqual(0.97)
        expect(Math.abs(said - retries) / retries, 'error of the count').toBeLessThanOrEqual(0.02)
      })
    }
  }

  for (const client of CLIENTS.filter(({ tries }) => tries === 1)) {
    it(`takes at most 2 calls in 1000 for retries of ${client.name}`, () => {
      const { calls, said } = tally(client, -1)
      expect(calls).toBeGreaterThan(5000)
      expect(said / calls).toBeLessThanOrEqual(0.002)
    })
  }
})

const ARRIVAL: Arrival = {
  at: 0,
  call: 0,
  upstream: 0,
  agent: 'a',
  trust: 'claimed',
  workflow: '',
  parent: '',
  method: 'POST',
  path: '/v1/x',
  route: '/v1/x',
  bytes: 100,
  priority: 'normal',
  family: 'other',
  patienceMs: Infinity,
  attempt: 0,
  onceKey: 0,
  fingerprint: 1,
  credential: 0,
  longLived: false,
  holdable: true,
  deferrable: false,
}
