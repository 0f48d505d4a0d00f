/**
 * HAR 1.2 (w3c.github.io/web-performance/specs/HAR/Overview.html), as browsers, Charles, mitmproxy and Proxyman
 * export it. Of an entry only times, sizes, the status and the names of things are read: no body, no cookie, no query
 * but for a hash, and of the headers those that are named here.
 */
import type { Millis } from '../core/model.ts'
import { toName, type ImportedCall, type ImportOptions, type ImportResult } from './import-call.ts'
import { parseForeign, type ForeignValue } from './import-json.ts'

/** @throws ImportError for what is no HAR, or a broken one */
export function importHar(file: string, text: string, options: ImportOptions): ImportResult {
  const log = parseForeign(file, text).get('log')
  if (!log.get('entries').isThere) log.fail('not a HAR file: log.entries is missing')
  const calls: ImportedCall[] = []
  const skipped = new Map<string, number>()
  for (const [index, entry] of log.get('entries').list().entries()) {
    const url = urlOf(entry.get('request').get('url'))
    const why = reasonToSkip(entry, url)
    if (why === '') calls.push(callOf(entry, url, `har-${index + 1}`, options))
    else skipped.set(why, (skipped.get(why) ?? 0) + 1)
  }
  return { calls, skipped }
}

function urlOf(value: ForeignValue): URL {
  const text = value.text()
  return URL.canParse(text) ? new URL(text) : value.fail('must be a URL')
}

function reasonToSkip(entry: ForeignValue, url: URL): string {
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return `${url.protocol} addresses`
  if (entry.get('request').get('method').text() === 'CONNECT') return 'CONNECT'
  const isCached = entry.get('_fromCache').isThere || entry.get('cache').get('beforeRequest').isThere
  return isCached ? 'answers from a cache' : ''
}

function callOf(entry: ForeignValue, url: URL, id: string, options: ImportOptions): ImportedCall {
  const request = entry.get('request')
  const response = entry.get('response')
  const headers = headersOf(request)
  const trace = /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(headers.get('traceparent') ?? '')?.[1]
  const status = Math.max(0, response.get('status').numberOr(0))
  const failure = response.get('_error').textOr(entry.get('_error').textOr(''))
  const retries = Number(headers.get('x-stainless-retry-count') ?? Number.NaN)
  return {
    id,
    startedAt: startOf(entry),
    ...timesOf(entry, status),
    upstream: url.host,
    agent: toName(headers.get(options.agentHeader) ?? '') || options.agent,
    workflow: trace ?? toName(entry.get('pageref').textOr('')),
    parent: '',
    method: request.get('method').text().toUpperCase(),
    path: url.pathname,
    template: '',
    target: url.pathname + url.search,
    userAgent: headers.get('user-agent') ?? '',
    status,
    isAborted: status === 0 && /abort|cancel/i.test(failure),
    isStream: response.get('content').get('mimeType').textOr('').startsWith('text/event-stream'),
    requestBytes: Math.max(-1, request.get('bodySize').numberOr(-1)),
    responseBytes: responseBytes(response),
    attempt: Number.isInteger(retries) && retries >= 0 ? retries + 1 : 0,
    retryAfterMs: retryAfterOf(headersOf(response)),
  }
}

function startOf(entry: ForeignValue): number {
  const value = entry.get('startedDateTime')
  const text = value.text()
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) value.fail('must be a date and time')
  // Date.parse drops what is finer than a millisecond.
  const finer = /\.\d{3}(\d{1,3})/.exec(text)?.[1]
  return finer === undefined ? ms : ms + Number(finer.padEnd(3, '0')) / 1000
}

/** -1 stands for "does not apply" in a HAR. */
function timesOf(entry: ForeignValue, status: number): Pick<ImportedCall, 'sentMs' | 'headMs' | 'endMs'> {
  const timings = entry.get('timings')
  const of = (phase: string): Millis => Math.max(0, timings.get(phase).numberOr(0))
  // `connect` includes `ssl`.
  const sentMs = of('blocked') + of('dns') + of('connect')
  const headMs = sentMs + of('send') + of('wait')
  const endMs = Math.max(headMs + of('receive'), entry.get('time').numberOr(0))
  return { sentMs, headMs: status === 0 ? -1 : headMs, endMs }
}

function responseBytes(response: ForeignValue): number {
  const body = response.get('bodySize').numberOr(-1)
  return body >= 0 ? body : response.get('content').get('size').numberOr(-1)
}

function headersOf(message: ForeignValue): ReadonlyMap<string, string> {
  const headers = message.get('headers').list()
  return new Map(
    headers.map((one) => [one.get('name').textOr('').toLowerCase(), one.get('value').textOr('')]),
  )
}

function retryAfterOf(headers: ReadonlyMap<string, string>): Millis {
  const ms = Number(headers.get('retry-after-ms') || Number.NaN)
  if (ms >= 0) return ms
  const seconds = Number(headers.get('retry-after') || Number.NaN)
  return seconds >= 0 ? seconds * 1000 : -1
}
