/**
 * What many workers say of the board, of the commons and of the exports, as one: what each counts itself is added up, of
 * those who are gone as well; of the store that all share, and of what is true now, the worst or the most is told.
 */
import type { BoardReading } from '../board/link.ts'
import type { Millis } from '../core/model.ts'
import { NO_COMMONS, type CommonsReading } from '../telemetry/commons-metrics.ts'
import { NO_OTLP, type OtlpReading } from '../telemetry/otlp/export-health.ts'

type Topic = BoardReading['topics'][number]

/** @param counted of those who are gone as well: a counter never falls @param live of those who run now */
export function mergeBoards(
  counted: readonly (BoardReading | undefined)[],
  live: readonly (BoardReading | undefined)[],
): BoardReading | undefined {
  const all = counted.filter((one) => one !== undefined)
  const now = live.filter((one) => one !== undefined)
  const speaker = now[0] ?? all[0]
  if (speaker === undefined) return undefined
  const { kind, replica } = speaker
  return {
    kind,
    replica,
    up: now.length > 0 && now.every(({ up }) => up),
    replicas: now.length === 0 ? 1 : Math.min(...now.map(({ replicas }) => replicas)),
    ageMs: stalest(now),
    commands: sum(all, ({ commands }) => commands),
    bytes: sum(all, ({ bytes }) => bytes),
    unreadable: sum(all, ({ unreadable }) => unreadable),
    errors: added(all.map(({ errors }) => errors)),
    topics: speaker.topics.map((_, index) => mergeTopic(now, index, replica)),
  }
}

/** Whoever of the workers is the steward, all of them are: the outside sees one. */
function mergeTopic(now: readonly BoardReading[], index: number, speaker: string): Topic {
  const rows = now.flatMap(({ replica, topics }) => {
    const topic = topics[index]
    return topic === undefined ? [] : [{ replica, topic }]
  })
  const isSteward = rows.some(({ replica, topic }) => topic.steward === replica)
  const epoch = Math.max(0, ...rows.map(({ topic }) => topic.epoch))
  return {
    ageMs: stalest(rows.map(({ topic }) => topic)),
    steward: isSteward ? speaker : (rows[0]?.topic.steward ?? ''),
    epoch,
  }
}

function stalest(all: readonly { readonly ageMs: Millis }[]): Millis {
  return all.length === 0 ? Infinity : Math.max(...all.map(({ ageMs }) => ageMs))
}

/** @param counted of those who are gone as well: a counter never falls @param live of those who run now */
export function mergeCommons(
  counted: readonly (CommonsReading | undefined)[],
  live: readonly (CommonsReading | undefined)[],
): CommonsReading | undefined {
  const all = counted.filter((one) => one !== undefined)
  const now = live.filter((one) => one !== undefined)
  if (all.length === 0) return undefined
  return {
    open: now.length > 0 && now.every(({ open }) => open),
    agents: largest(now, NO_COMMONS.agents, ({ agents }) => agents),
    published: added([NO_COMMONS.published, ...all.map(({ published }) => published)]),
    lost: sum(all, ({ lost }) => lost),
    delivered: added([NO_COMMONS.delivered, ...all.map(({ delivered }) => delivered)]),
    lag: largest(now, NO_COMMONS.lag, ({ lag }) => lag),
    groups: most(now, ({ groups }) => groups),
    pending: most(now, ({ pending }) => pending),
    documents: most(now, ({ documents }) => documents),
    bytes: largest(now, NO_COMMONS.bytes, ({ bytes }) => bytes),
    tasks: largest(now, NO_COMMONS.tasks, ({ tasks }) => tasks),
    reassigned: added([NO_COMMONS.reassigned, ...all.map(({ reassigned }) => reassigned)]),
    claimers: sum(now, ({ claimers }) => claimers),
    waiting: sum(now, ({ waiting }) => waiting),
    mcp: {
      open: sum(now, ({ mcp }) => mcp.open),
      requests: added([NO_COMMONS.mcp.requests, ...all.map(({ mcp }) => mcp.requests)]),
    },
  }
}

export function mergeOtlp(all: readonly OtlpReading[]): OtlpReading {
  return {
    dropped: added([NO_OTLP.dropped, ...all.map(({ dropped }) => dropped)]),
    failed: added([NO_OTLP.failed, ...all.map(({ failed }) => failed)]),
  }
}

/** By name, those of the first first. */
function folded<K extends string>(
  records: readonly Readonly<Record<K, number>>[],
  join: (a: number, b: number) => number,
): Record<K, number> {
  const joined: Partial<Record<K, number>> = {}
  for (const record of records) {
    for (const name of Object.keys(record)) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Object.keys forgets the keys' type
      const key = name as K
      joined[key] = join(joined[key] ?? 0, record[key])
    }
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- every record has every key
  return joined as Record<K, number>
}

function added<K extends string>(records: readonly Readonly<Record<K, number>>[]): Record<K, number> {
  return folded(records, (a, b) => a + b)
}

function largest<T, K extends string>(
  all: readonly T[],
  none: Readonly<Record<K, number>>,
  of: (one: T) => Readonly<Record<K, number>>,
): Record<K, number> {
  return folded([none, ...all.map((one) => of(one))], Math.max)
}

function sum<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0)
}

function most<T>(all: readonly T[], of: (one: T) => number): number {
  return all.reduce((found, one) => Math.max(found, of(one)), 0)
}
