/** Labelled series of the data folder (its README tells the sources): values, spacing, and labelled events. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Series {
  readonly name: string
  readonly stepSeconds: number
  readonly values: readonly number[]
  /** First and last point of each labelled anomaly. */
  readonly events: readonly (readonly [number, number])[]
}

interface Slice {
  readonly atSeconds: number
  readonly calls: number
  readonly p50: number
  readonly p95: number
}

export interface FaultedService {
  readonly name: string
  readonly slices: readonly Slice[]
  readonly faults: readonly { readonly atSeconds: number; readonly type: string; readonly own: boolean }[]
}

export interface AgentCall {
  readonly session: string
  readonly atSeconds: number
  readonly bytes: number
  /** Time to first byte of a stream, else of the whole answer. */
  readonly ms: number
  readonly streamed: boolean
}

function rows(path: string): string[][] {
  const [, ...lines] = readFileSync(path, 'utf8').trim().split('\n')
  return lines.map((line) => line.trim().replaceAll('"', '').split(','))
}

export function present(data: string): boolean {
  return existsSync(join(data, 'series', 'dependency-latency'))
}

export function dependencyLatency(data: string): Series[] {
  const folder = join(data, 'series', 'dependency-latency')
  return readdirSync(folder)
    .toSorted()
    .map((file) => {
      const table = rows(join(folder, file))
      const events: [number, number][] = []
      for (const [index, row] of table.entries()) {
        if (row[2] !== '1') continue
        const last = events.at(-1)
        if (last !== undefined && last[1] === index - 1) last[1] = index
        else events.push([index, index])
      }
      return { name: file, stepSeconds: 3600, values: table.map((row) => Number(row[1])), events }
    })
}

export function nab(data: string): Series[] {
  const folder = join(data, 'series', 'nab')
  const windows = JSON.parse(readFileSync(join(folder, 'combined_windows.json'), 'utf8')) as Record<
    string,
    [string, string][]
  >
  return readdirSync(folder)
    .filter((file) => file.endsWith('.csv'))
    .toSorted()
    .map((file) => {
      const table = rows(join(folder, file))
      const times = table.map((row) => Date.parse(`${row[0]}Z`))
      const labelled = Object.entries(windows).find(([name]) => name.endsWith(`/${file}`))?.[1] ?? []
      const events = labelled.map(([from, to]): [number, number] => {
        const end = Date.parse(`${to}Z`)
        const first = times.findIndex((time) => time >= Date.parse(`${from}Z`))
        return [first, times.findLastIndex((time) => time <= end)]
      })
      return { name: file, stepSeconds: 300, values: table.map((row) => Number(row[1])), events }
    })
}

export function nezha(data: string): FaultedService[] {
  const faults = rows(join(data, 'series', 'nezha_faults.csv'))
  const services = new Map<string, { day: string; service: string; slices: Slice[] }>()
  for (const row of rows(join(data, 'series', 'nezha_service_10s.csv'))) {
    const [system, day, service, at, calls, p50, p95] = row
    const name = `${system}/${day}/${service}`
    let entry = services.get(name)
    if (entry === undefined) services.set(name, (entry = { day: day!, service: service!, slices: [] }))
    entry.slices.push({ atSeconds: Number(at), calls: Number(calls), p50: Number(p50), p95: Number(p95) })
  }
  return [...services].map(([name, { day, service, slices }]) => ({
    name,
    slices: slices.toSorted((a, b) => a.atSeconds - b.atSeconds),
    faults: faults
      .filter((row) => row[1] === day)
      .map((row) => ({ atSeconds: Number(row[2]), type: row[4]!, own: row[3] === service })),
  }))
}

export function agentCalls(data: string): AgentCall[] {
  return rows(join(data, 'traces', 'claude_code_sessions.csv')).flatMap((row) => {
    const [session, , , at, , api, first, tokens] = row
    const streamed = first !== '' && Number(first) > 0
    const ms = Number(streamed ? first : api) * 1000
    /** About four bytes a token. */
    const call = { session: session!, atSeconds: Number(at), bytes: Number(tokens) * 4, ms, streamed }
    return ms > 0 ? [call] : []
  })
}
