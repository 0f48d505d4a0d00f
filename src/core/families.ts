/**
 * What is known of the client families on the wire: how long each waits, how it retries, what advice it
 * honours. Read from the sources and runs of the clients themselves; the one table that lineage (is it a
 * retry?), slots (when may it be asked back?) and holds (how long does it wait in silence?) share.
 *
 * "run" = seen on loopback with the version named; "source" = read in the client's code; "unverified" = said by
 * third parties. To add a family: one row here, one line in `proxy/client-family.ts`.
 */
import type { Millis } from './model.ts'

export interface Family {
  readonly name: string
  /** Tries of one logical call by default, the first included; 1 = never retries by itself. */
  readonly attempts: number
  /** Own back-off window [earliest, latest] in ms after failure `n` (1 = the first), without advice. */
  readonly backoff: (n: number) => readonly [Millis, Millis]
  /** The largest Retry-After that is honoured; 0 = it is ignored. Above it many retry at once. */
  readonly adviceCeilingMs: Millis
  /** The smallest unit of advice that it reads: `retry-after-ms`, whole seconds, or nothing. */
  readonly advice: 'ms' | 'seconds' | 'none'
  /** `x-should-retry` is obeyed. */
  readonly obeysShouldRetry: boolean
  /** Silence before the response head that it bears by default. */
  readonly silenceMs: Millis
  /** Hops of a 307 to the same URL that it follows with body and credentials; 0 = none. */
  readonly redirects: number
  /** It never retries: `backoff` is a guess at the loops that people put around it. */
  readonly backoffIsGuess?: true
  /** It numbers every try on the wire: what comes without proof of a retry is at most an outer layer's retry. */
  readonly countsAttempts?: true
  /** Advice does not replace its own back-off, it only stretches it: `max` of both, or own plus at most 5 s. */
  readonly adviceFloor?: 'own' | 'own-plus-5s'
  /** Waits on after `102 Processing`; http.client takes it for the answer, Go and Java stop after a few. */
  readonly bearsProcessing?: true
}

type Window = readonly [Millis, Millis]

/** 2^31 - 1 ms: the longest timer of Node. */
const LONGEST_TIMER_MS = 2 ** 31 - 1
const NEVER: Window = [Infinity, Infinity]

/** `first · 2^(n-1)`, spread over the factors [from, to], never above `capMs`. */
function exponential(firstMs: Millis, from: number, to: number, capMs: Millis): (n: number) => Window {
  return (n) => {
    const base = Math.min(firstMs * 2 ** (Math.max(1, n) - 1), capMs)
    return [base * from, base * to]
  }
}

/** openai and anthropic SDKs, source: 0.5 s · 2^n, at most 8 s, jitter down to 75 %; run: 381-543, 838-1008 ms. */
const STAINLESS = exponential(500, 0.75, 1, 8000)
/** No retry of its own; loops and tenacity-like wrappers around it come back anywhere in here. */
const OUTER = exponential(4000, 0, 1, 60_000)

const stainless = {
  attempts: 3, // source: maxRetries 2, every version in wire.md 3
  backoff: STAINLESS,
  advice: 'ms', // run: retry-after-ms wins over retry-after
  obeysShouldRetry: true, // run: both ways
  countsAttempts: true, // run: x-stainless-retry-count on every request, 0 for the first
  bearsProcessing: true, // run: fetch 340 s, httpx 60 s with a 102 every 20 s
  redirects: 20, // fetch and httpx limits, source; run: 4 hops (anthropic-js: 1)
} as const

/** Clients over fetch of Node: headersTimeout 300 s fires under every SDK timer (run: 300.6-301.0 s). */
const FETCH_SILENCE_MS = 300_000
/** LLM SDKs of Python: httpx with 600 s read timeout, source. */
const PYTHON_SDK_SILENCE_MS = 600_000

/** Never retries by itself, ignores advice. */
const single = { attempts: 1, adviceCeilingMs: 0, advice: 'none', obeysShouldRetry: false } as const
const plain = { ...single, backoff: OUTER, backoffIsGuess: true } as const

export const FAMILIES: readonly Family[] = [
  // openai-js 7.20 and later. Run 7.55: 0..60 s honoured, above it own back-off.
  { ...stainless, name: 'openai-js', adviceCeilingMs: 60_000, silenceMs: FETCH_SILENCE_MS },
  // openai-js 6.49 to 7.19. Run 6.49 and 7.0.0: no ceiling, 120 s were waited.
  { ...stainless, name: 'openai-js-6', adviceCeilingMs: LONGEST_TIMER_MS, silenceMs: FETCH_SILENCE_MS },
  // openai-js before 6.49. Run 4.104, 5, 6.0, 6.10: below 60 s only. 6.11 to 6.48 not seen: the smaller ceiling.
  { ...stainless, name: 'openai-js-4', adviceCeilingMs: 59_999, silenceMs: FETCH_SILENCE_MS },
  // openai-py 2.52 and later. Source 3.3.1: up to 120 s, above it no retry at all.
  { ...stainless, name: 'openai-py', adviceCeilingMs: 120_000, silenceMs: PYTHON_SDK_SILENCE_MS },
  // openai-py 1.x to 2.51. Run 2.46: 0 < x <= 60 s, else own back-off.
  { ...stainless, name: 'openai-py-2', adviceCeilingMs: 60_000, silenceMs: PYTHON_SDK_SILENCE_MS },
  // anthropic-js 1.0 and later. Run 1.11: any up to 2^31 ms.
  { ...stainless, name: 'anthropic-js', adviceCeilingMs: LONGEST_TIMER_MS, silenceMs: FETCH_SILENCE_MS },
  // anthropic-js 0.x. Run 0.20 to 0.71: below 60 s only.
  { ...stainless, name: 'anthropic-js-0', adviceCeilingMs: 59_999, silenceMs: FETCH_SILENCE_MS },
  // Run 0.121: 0 < x <= 60 s.
  { ...stainless, name: 'anthropic-py', adviceCeilingMs: 60_000, silenceMs: PYTHON_SDK_SILENCE_MS },
  {
    name: 'ai-sdk', // run 6 and 7
    attempts: 3,
    backoff: exponential(2000, 1, 1, Infinity), // run: exactly 2 s, 4 s; no jitter
    adviceCeilingMs: 59_999, // run: 0 <= x < 60 s, else own
    advice: 'ms', // run
    obeysShouldRetry: false, // run: ignored
    silenceMs: FETCH_SILENCE_MS, // no timer of its own
    redirects: 20, // run: 4 hops
    bearsProcessing: true,
  },
  {
    name: 'langchain-js', // run core 1.2; the SDK below sends x-stainless-retry-count 0 on every try
    attempts: 7, // run
    backoff: exponential(1000, 1, 2, 60_000), // run: 1-2 s · 2^n
    adviceCeilingMs: 60_000, // run: only on 429; above it, or 429 without it, fails at once
    adviceFloor: 'own', // run: max(own, advice)
    advice: 'seconds', // run: retry-after-ms alone fails at once
    obeysShouldRetry: false, // run
    silenceMs: FETCH_SILENCE_MS,
    redirects: 20, // run: 4 hops
    bearsProcessing: true,
  },
  {
    ...single,
    name: 'genai-js', // run 2.32 and 3.1: one try unless retryOptions is set, advice ignored
    backoff: exponential(1000, 1, 2, 60_000), // run with retryOptions {}: 1-2 s · 2^n, 5 tries
    silenceMs: FETCH_SILENCE_MS,
    redirects: 20, // run: 1 hop
    bearsProcessing: true,
  },
  {
    name: 'aws-js', // run 3.1162
    attempts: 3,
    backoff: exponential(1000, 0, 1, 20_000), // run: U · 50 ms · 2^n, throttled U · 1 s · 2^n, at most 20 s
    adviceCeilingMs: 5000, // run: clamped to own + 5 s (30 s became 5.1-5.7)
    adviceFloor: 'own-plus-5s',
    advice: 'seconds',
    obeysShouldRetry: false,
    silenceMs: 300_000, // h2 idle; none over HTTP/1.1
    redirects: 0, // run: does not follow
    countsAttempts: true, // amz-sdk-request
  },
  {
    name: 'botocore', // run 1.43, standard mode
    attempts: 3, // 5 in legacy mode, unverified
    backoff: exponential(1000, 0, 1, 20_000), // run: U · 2^n s, at most 20 s
    adviceCeilingMs: 0, // run: Retry-After ignored
    advice: 'none',
    obeysShouldRetry: false,
    silenceMs: 60_000, // source: read_timeout
    redirects: 0, // run
    countsAttempts: true, // amz-sdk-request
  },
  {
    ...single,
    name: 'got', // run 16: POST is never retried, GET twice
    backoff: (n) => [1000 * 2 ** (Math.max(1, n) - 1), 1000 * 2 ** (Math.max(1, n) - 1) + 100], // run: +0..100 ms
    adviceCeilingMs: LONGEST_TIMER_MS, // run: any, up to its own request timeout
    advice: 'seconds', // run: "2.5" is ignored
    silenceMs: Infinity, // no timer by default
    redirects: 10, // source; run: 1 hop
    bearsProcessing: true,
  },
  {
    ...single,
    name: 'axios', // run 1.21: one try; axios-retry 4.5 sends the same headers
    backoff: exponential(200, 0, 1.2, 60_000), // run: 0 ms by default, exponential 0.2 · 2^n (+20 %)
    adviceCeilingMs: LONGEST_TIMER_MS, // run: axios-retry any, x 1..1.2
    advice: 'seconds',
    silenceMs: Infinity, // run: 330 s
    redirects: 20, // source: 21; run: 4 hops
    bearsProcessing: true,
  },
  {
    ...single,
    name: 'undici', // run 7 and 8: request() one try; RetryAgent 6 tries, not POST, with the same headers
    backoff: exponential(500, 1, 1, 30_000), // run: 0.5 · 2^n, no jitter
    adviceCeilingMs: 30_000, // run: min(advice, 30 s)
    advice: 'seconds',
    silenceMs: FETCH_SILENCE_MS, // headersTimeout, source
    redirects: 0, // follows only with an interceptor
    bearsProcessing: true,
  },
  // Node's fetch: headersTimeout 300 s, 20 redirects; both run.
  { ...plain, name: 'node-fetch', silenceMs: FETCH_SILENCE_MS, redirects: 20, bearsProcessing: true },
  // requests and urllib3 over http.client: no timer, 30 redirects, source; a 102 is the final answer, run.
  { ...plain, name: 'python-requests', silenceMs: Infinity, redirects: 30 },
  // Bare httpx: 5 s, no redirects; run.
  { ...plain, name: 'httpx', silenceMs: 5000, redirects: 0, bearsProcessing: true },
  // aiohttp: 300 s in total, 10 redirects; source.
  { ...plain, name: 'aiohttp', silenceMs: 300_000, redirects: 10, bearsProcessing: true },
  // net/http: no timer, 10 redirects, source (run: 1 hop); "too many 1xx" after 5, run.
  { ...plain, name: 'go', silenceMs: Infinity, redirects: 10 },
  // java.net.http: no timer, Redirect.NEVER, source; fails after 8 interim answers, run.
  { ...plain, name: 'java', silenceMs: Infinity, redirects: 0 },
  // No timer, no -L; 10 interim answers in a row, run.
  { ...plain, name: 'curl', silenceMs: Infinity, redirects: 0, bearsProcessing: true },
  // MCP SDKs v1 and v2, run: a POST that failed is never sent again; 60 s per request; 5 redirects, same origin.
  { ...single, name: 'mcp', backoff: () => NEVER, silenceMs: 60_000, redirects: 5, bearsProcessing: true },
  {
    name: 'claude-code', // peers.md 4: 10 retries up to 32 s; honours up to 60 s, above it gives up
    attempts: 11,
    backoff: exponential(500, 1, 1.25, 32_000), // start and jitter unverified
    adviceCeilingMs: 60_000,
    advice: 'seconds',
    obeysShouldRetry: true, // unverified; a client that does not know it only retries as before
    silenceMs: FETCH_SILENCE_MS, // unverified
    redirects: 0, // not seen: assume none
  },
  {
    name: 'codex', // source codex-rs: 200 ms · 2^(n-1), ± 10 %; redirects and advice unverified
    attempts: 5,
    backoff: exponential(200, 0.9, 1.1, 60_000),
    adviceCeilingMs: 0,
    advice: 'none',
    obeysShouldRetry: false,
    silenceMs: 300_000,
    redirects: 0,
  },
  {
    // Durable orchestrators over the admission API: they sleep as long as they are told, to the millisecond.
    ...plain,
    name: 'orchestrator',
    adviceCeilingMs: LONGEST_TIMER_MS,
    advice: 'ms',
    obeysShouldRetry: true,
    silenceMs: Infinity, // they say how long they wait
    redirects: 0,
  },
  // Nothing known: what breaks nobody.
  { ...plain, name: 'other', silenceMs: 30_000, redirects: 0 },
]

const BY_NAME: ReadonlyMap<string, Family> = new Map(FAMILIES.map((family) => [family.name, family]))
const OTHER = FAMILIES.at(-1)!

/** The family of that name; of an unknown name the row `other`. */
export function familyOf(name: string): Family {
  return BY_NAME.get(name) ?? OTHER
}
