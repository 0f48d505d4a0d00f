/** What the gates of many workers count, as one: counts are added, of states the worst is told. */
import type { AuthMetrics } from '../telemetry/metrics.ts'

type Counts = Readonly<Record<string, number>>

/** @param counted of those who are gone as well: a counter never falls @param live of those who run now */
export function mergeAuth(
  counted: readonly (AuthMetrics | undefined)[],
  live: readonly (AuthMetrics | undefined)[],
): AuthMetrics | undefined {
  const all = counted.filter((one) => one !== undefined)
  const now = live.filter((one) => one !== undefined)
  const [first] = all
  if (first === undefined) return undefined
  const checks: Record<string, Counts> = {}
  for (const shown of Object.keys(first.checks)) {
    checks[shown] = added(all.map((one) => one.checks[shown] ?? {}))
  }
  const issuers: Record<string, number> = {}
  for (const { issuers: ages } of now) {
    for (const [issuer, age] of Object.entries(ages)) issuers[issuer] = Math.max(issuers[issuer] ?? 0, age)
  }
  return {
    checks,
    denied: added(all.map(({ denied }) => denied)),
    capped: all.reduce((sum, { capped }) => sum + capped, 0),
    keys: Math.max(0, ...now.map(({ keys }) => keys)),
    rememberedTokens: now.reduce((sum, { rememberedTokens }) => sum + rememberedTokens, 0),
    failing: Math.max(0, ...now.map(({ failing }) => failing)),
    issuers,
  }
}

function added(records: readonly Counts[]): Counts {
  const total: Record<string, number> = {}
  for (const record of records) {
    for (const [name, count] of Object.entries(record)) total[name] = (total[name] ?? 0) + count
  }
  return total
}
