/**
 * Real traffic without incidents, as arrivals: who calls, when, how much, for how long. Read from the public
 * traces in `../shared/data`; where the folder is absent, a generator makes arrivals of the same shape and the
 * result says so.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { seeded, type Random } from '../../src/core/random.ts'

export interface TracedCall {
  readonly atMs: number
  readonly agent: string
  /** '' = the trace knows none. */
  readonly workflow: string
  readonly parent: string
  readonly requestBytes: number
  readonly answerBytes: number
  readonly tookMs: number
}

export interface HealthyTrace {
  readonly name: string
  readonly source: 'trace' | 'generated'
  readonly calls: readonly TracedCall[]
}

export const TRACES_AT = '../shared/data'

/** A token of English is about four bytes on the wire; the traces count tokens. */
const BYTES_PER_TOKEN = 4
const FALLBACK_CALLS = 20_000

/** All traces that this bench knows, each from its file or, without it, generated. `most` limits the calls of each. */
export function healthyTraces(folder: string, most = Infinity): HealthyTrace[] {
  const traces = join(folder, 'traces')
  if (!existsSync(traces)) {
    process.stderr.write(
      `bench: no traces at '${folder}': generated arrivals of the same shape are used instead\n`,
    )
    return [traceOf('', 'generated', generated, most)]
  }
  return [
    traceOf(join(traces, 'claude_code_sessions.csv'), 'claude_code_sessions', claudeCode, most),
    traceOf(join(traces, 'azure_llm_2023_conv.csv'), 'azure_llm_2023', azure, most),
    traceOf(join(traces, 'servegen_msmall_peak20min_50rps.csv'), 'servegen', servegen, most),
    traceOf(join(traces, 'mooncake_conversation.csv'), 'mooncake', mooncake, most),
  ]
}

type Row = Record<string, string>

function traceOf(
  path: string,
  name: string,
  read: (rows: Row[]) => TracedCall[],
  most: number,
): HealthyTrace {
  const source = existsSync(path) ? 'trace' : 'generated'
  const calls = source === 'trace' ? read(rowsOf(path)) : generated()
  calls.sort((a, b) => a.atMs - b.atMs)
  return { name, source, calls: calls.slice(0, Math.min(most, calls.length)) }
}

/** These files quote nothing in the columns that are read. */
function rowsOf(path: string): Row[] {
  const [head = '', ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  const columns = head.split(',')
  return lines.map((line) => {
    const cells = line.split(',')
    return Object.fromEntries(columns.map((column, index) => [column, cells[index] ?? '']))
  })
}

const numberOf = (row: Row, column: string): number => Number(row[column] ?? 0) || 0

/** Sessions have times of their own: they begin at seeded instants of one hour, so that hundreds run at once. */
function claudeCode(rows: Row[]): TracedCall[] {
  const random = seeded(11)
  const beginsAt = new Map<string, number>()
  return rows.map((row) => {
    const session = row['session'] ?? ''
    const begin = beginsAt.get(session) ?? Math.floor(random() * 3_600_000)
    beginsAt.set(session, begin)
    const isMain = row['agent'] === 'main'
    return {
      atMs: begin + numberOf(row, 't_s') * 1000,
      agent: isMain ? `session-${session}` : `session-${session}.${row['agent'] ?? ''}`,
      workflow: `claude-${session}`,
      parent: isMain ? '' : `session-${session}`,
      requestBytes: numberOf(row, 'in_tokens') * BYTES_PER_TOKEN,
      answerBytes: numberOf(row, 'out_tokens') * BYTES_PER_TOKEN,
      tookMs: (numberOf(row, 'api_s') || 5) * 1000,
    }
  })
}

/** The trace has no callers: 200 are drawn, a tenth of them with half of the traffic. */
function azure(rows: Row[]): TracedCall[] {
  const random = seeded(12)
  return rows.map((row) => ({
    atMs: numberOf(row, 't_s') * 1000,
    agent: skewedAgent(random),
    workflow: '',
    parent: '',
    requestBytes: numberOf(row, 'context_tokens') * BYTES_PER_TOKEN,
    answerBytes: numberOf(row, 'generated_tokens') * BYTES_PER_TOKEN,
    tookMs: 300 + 25 * numberOf(row, 'generated_tokens'),
  }))
}

function servegen(rows: Row[]): TracedCall[] {
  const random = seeded(13)
  return rows.map((row) => ({
    atMs: numberOf(row, 't_s') * 1000,
    agent: `client-${row['client'] ?? ''}`,
    workflow: '',
    parent: '',
    requestBytes: 200 + Math.floor(8000 * random()),
    answerBytes: 100 + Math.floor(2000 * random()),
    tookMs: lognormal(random, 2000, 0.8),
  }))
}

/** Arrivals are in steps of 3 s; they are spread over their step. */
function mooncake(rows: Row[]): TracedCall[] {
  const random = seeded(14)
  return rows.map((row) => ({
    atMs: numberOf(row, 't_s') * 1000 + random() * 3000,
    agent: `chat-${row['session_key'] ?? ''}`,
    workflow: `chat-${row['session_key'] ?? ''}`,
    parent: '',
    requestBytes: numberOf(row, 'input_tokens') * BYTES_PER_TOKEN,
    answerBytes: numberOf(row, 'output_tokens') * BYTES_PER_TOKEN,
    tookMs: 500 + 25 * numberOf(row, 'output_tokens'),
  }))
}

/** Conversations of 80 agents whose requests grow, with pauses like those of real sessions. */
function generated(): TracedCall[] {
  const random = seeded(15)
  const calls: TracedCall[] = []
  for (let agent = 0; calls.length < FALLBACK_CALLS; agent++) {
    let atMs = random() * 3_600_000
    let requestBytes = 20_000
    for (let turn = 0; turn < 5 + 60 * random(); turn++) {
      const tookMs = lognormal(random, 5000, 0.7)
      const answerBytes = Math.ceil(lognormal(random, 600, 0.9))
      const name = `agent-${agent % 80}`
      calls.push({
        atMs,
        agent: name,
        workflow: `run-${agent}`,
        parent: '',
        requestBytes,
        answerBytes,
        tookMs,
      })
      atMs += tookMs + lognormal(random, 6000, 1)
      requestBytes += answerBytes + Math.ceil(lognormal(random, 1500, 1))
    }
  }
  return calls
}

function skewedAgent(random: Random): string {
  return `app-${Math.floor(random() < 0.5 ? 20 * random() : 20 + 180 * random())}`
}

export function lognormal(random: Random, median: number, sigma: number): number {
  const gauss = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  return median * Math.exp(sigma * gauss)
}
