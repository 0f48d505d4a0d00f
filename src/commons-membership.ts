/**
 * Joins the commons to the proxy: what Weir observes goes in (flows, its own events, whether an upstream can bear
 * more), the face comes out. Off, it costs a call one comparison.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { CommonsConfig } from './commons-config.ts'
import type { May } from './commons/caller.ts'
import type { Commons } from './commons/commons.ts'
import type { CommonsReading } from './commons/reading.ts'
import type { Conclusion } from './commons/events/bus.ts'
import type { OwnEvent } from './commons/events/cloud-event.ts'
import type { Face } from './commons/http/face.ts'
import { DEFAULT_LIMITS, storeBounds } from './commons/limits.ts'
import type { Store } from './commons/store.ts'
import { StoreError } from './commons/store.ts'
import type { Bearing } from './commons/tasks/upstream-gate.ts'
import type { Coordinator } from './core/coordinator.ts'
import type { CoreEvent, EventName, Millis, Outcome } from './core/model.ts'
import type { CoreReading } from './core/reading.ts'
import type { Call } from './proxy/call.ts'
import type { OwnHandler } from './proxy/lifecycle.ts'
import { errorFields, type Log } from './telemetry/log.ts'
import { VERSION } from './version.ts'

export interface CommonsMembership {
  readonly own: OwnHandler
  event(event: CoreEvent): void
  ended(call: Call, outcome: Outcome): void
  /** As it was at the last `refresh`; undefined = agents share nothing. */
  readonly reading: (CommonsReading & { readonly open: boolean }) | undefined
  /** Counts anew, for at most half a second; what is not known by then stays as it was. Never rejects. */
  refresh(): Promise<void>
  start(): Promise<void>
  /** Ends streams and waits. */
  drain(): void
  close(): Promise<void>
}

export interface CommonsSurroundings {
  readonly core: Coordinator
  /** Names by index. */
  readonly upstreams: readonly string[]
  readonly clock: () => Millis
  readonly wall: () => number
  /** Whether a caller may do something; absent = everybody may. */
  readonly may?: May | undefined
  readonly log: Log
}

/** A reading of the core serves for so long. */
const READING_MS: Millis = 100
const AGENTS_MS: Millis = 1000
const AGENTS_READ = 1000
/** Releases and expiries of holds are told once a second, as sums: thousands go at once on a ramp. */
const HOLDS_EVERY_MS: Millis = 1000
const RETRY_MS: Millis = 2000
/** A scrape waits no longer for a store that does not answer. */
const REFRESH_MS: Millis = 500
const MCP_PATH = '/weir/v1/mcp'
/** Follow from every step of a limit: for graphs, not for agents. */
const NOT_TOLD: ReadonlySet<EventName> = new Set(['limit-changed', 'quota-learned'])

/** What each Weir concludes by itself of an upstream, and of which of its conclusions it is the last word. */
const CONCLUSIONS: ReadonlyMap<EventName, string> = new Map([
  ['condition-changed', 'condition'],
  ['drift-started', 'drift'],
  ['drift-ended', 'drift'],
  ['storm-started', 'storm'],
  ['storm-ended', 'storm'],
  ['probe-started', 'release'],
  ['release-started', 'release'],
  ['release-aborted', 'release'],
  ['release-ended', 'release'],
])

const NO_COMMONS: CommonsMembership = {
  own: () => false,
  event: () => {},
  ended: () => {},
  reading: undefined,
  refresh: async () => {},
  start: async () => {},
  drain: () => {},
  close: async () => {},
}

export function joinCommons(
  config: CommonsConfig | undefined,
  around: CommonsSurroundings,
): CommonsMembership {
  if (config === undefined) return NO_COMMONS
  const { core, upstreams, clock, wall, log } = around
  let joined: { readonly commons: Commons; readonly face: Face; count(): Promise<CommonsReading> } | undefined
  let counted: CommonsReading | undefined
  let isOpen = false
  let counting: Promise<void> | undefined
  let reading: CoreReading | undefined
  let conditions: { readonly at: Millis; readonly of: ReadonlyMap<string, string> } | undefined
  let holdTimer: NodeJS.Timeout | undefined
  let retry: NodeJS.Timeout | undefined
  const holds = upstreams.map(() => ({ released: 0, expired: 0, longestMs: 0 }))

  function read(): CoreReading {
    const now = clock()
    return reading !== undefined && now - reading.at < READING_MS ? reading : (reading = core.read(now))
  }

  function canBear(name: string): Bearing | undefined {
    const row = read().upstreams[upstreams.indexOf(name)]
    if (row === undefined) return undefined
    if (row.condition === 'healthy' || row.condition === 'watch') return { is: 'open' }
    if (row.condition !== 'recovering') return { is: 'shut', condition: row.condition }
    // Recovering without a ramp: it may have all that it can bear.
    return Number.isFinite(row.rampRate) ? { is: 'ramp', rate: row.rampRate } : { is: 'open' }
  }

  function conditionOf(agent: string): string {
    const now = clock()
    if (conditions === undefined || now - conditions.at >= AGENTS_MS) {
      const rows = core.agents(now, AGENTS_READ)
      conditions = { at: now, of: new Map(rows.map(({ agent: name, condition }) => [name, condition])) }
    }
    return conditions.of.get(agent) ?? 'ordinary'
  }

  function onTrouble(error: unknown): void {
    const what = error instanceof StoreError ? 'commons-store' : 'commons'
    log.limited('error', what, errorFields(error), 'the commons has trouble; proxying goes on')
  }

  function tellHolds(commons: Commons): void {
    for (const [index, hold] of holds.entries()) {
      const { released, expired, longestMs } = hold
      const upstream = upstreams[index]!
      const longest = Math.round(longestMs)
      if (released > 0) {
        const data = { upstream, calls: released, longestMs: longest }
        commons.bus.announce({ type: 'weir.hold.released', subject: upstream, data })
      }
      if (expired > 0) {
        const data = { upstream, calls: expired, longestMs: longest }
        commons.bus.announce({ type: 'weir.hold.expired', subject: upstream, data })
      }
      hold.released = hold.expired = hold.longestMs = 0
    }
  }

  async function count(): Promise<void> {
    try {
      counted = await joined?.count()
      isOpen = counted !== undefined
    } catch (error) {
      isOpen = false
      onTrouble(error)
    }
  }

  /** A store that cannot be used yet costs the commons, not the proxy: until it can, its paths answer 503. */
  async function begin(commons: Commons): Promise<void> {
    try {
      await commons.start()
      const { durability, damaged = 0 } = commons.store
      log.info({ store: config?.store.kind, durability, replica: commons.replica }, 'the commons is open')
      if (damaged > 0) log.warn({ damaged }, 'records of the commons are damaged and left alone')
    } catch (error) {
      onTrouble(error)
      retry = setTimeout(() => void begin(commons).catch(onTrouble), RETRY_MS)
      retry.unref()
    }
  }

  return {
    own: (request, response, path, caller) => joined?.face.serve(request, response, path, caller) === true,
    event(event) {
      if (joined === undefined || NOT_TOLD.has(event.name)) return
      const { name, agent, workflow, from, to, readings } = event
      const upstream = upstreams[event.upstream] ?? ''
      const told: OwnEvent = {
        type: `weir.${name.replaceAll('-', '.')}`,
        subject: upstream,
        ...(workflow === undefined ? {} : { correlationid: workflow }),
        data: {
          upstream,
          ...(agent === undefined ? {} : { agent }),
          ...(workflow === undefined ? {} : { workflow }),
          ...(from === undefined ? {} : { from }),
          ...(to === undefined ? {} : { to }),
          readings: Object.fromEntries(Object.entries(readings).map(([key, value]) => [key, finite(value)])),
        },
      }
      joined.commons.bus.announce(told, conclusionOf(event, upstream))
    },
    ended(call, outcome) {
      if (joined === undefined) return
      const { upstream, arrival, status, heldMs } = call
      const isError = outcome === 'upstream-error' || status >= 500 || status === 429
      joined.commons.flows.ended(arrival.agent, upstream.index, isError, wall())
      if (outcome !== 'passed-after-hold' && outcome !== 'hold-expired') return
      const hold = holds[upstream.index]
      if (hold === undefined) return
      hold[outcome === 'hold-expired' ? 'expired' : 'released'] += 1
      hold.longestMs = Math.max(hold.longestMs, heldMs)
    },
    async start() {
      // Loaded only when it is wanted: a Weir without commons starts as fast as before.
      const { createCommons } = await import('./commons/commons.ts')
      const { createFace } = await import('./commons/http/face.ts')
      const { createMcpFace } = await import('./commons/mcp/mcp-face.ts')
      const { McpCount } = await import('./commons/mcp/mcp-count.ts')
      const { readCommons } = await import('./commons/reading.ts')
      const limits = { ...DEFAULT_LIMITS, ...config.limits }
      const store = await storeOf(config, storeBounds(limits), wall)
      const flowNames = {
        upstream: (index: number) => ({
          name: upstreams[index] ?? '',
          condition: read().upstreams[index]?.condition ?? 'healthy',
        }),
        agent: conditionOf,
      }
      const may = around.may === undefined ? {} : { may: around.may }
      const commons = createCommons({ ...may, store, upstreams, canBear, flowNames, limits, onTrouble })
      const mcp = new McpCount()
      const extra = new Map([[MCP_PATH, createMcpFace(commons, VERSION, { count: mcp })]])
      const face = createFace(commons, VERSION, extra)
      joined = { commons, face, count: () => readCommons(commons, mcp, face.waiting) }
      await begin(commons)
      holdTimer = setInterval(() => tellHolds(commons), HOLDS_EVERY_MS)
      holdTimer.unref()
    },
    get reading() {
      return counted === undefined ? undefined : { ...counted, open: isOpen }
    },
    async refresh() {
      if (joined === undefined) return
      counting ??= count().finally(() => {
        counting = undefined
      })
      await Promise.race([counting, sleep(REFRESH_MS, undefined, { ref: false })])
    },
    drain: () => joined?.face.drain(),
    async close() {
      clearInterval(holdTimer)
      clearTimeout(retry)
      await joined?.commons.stop()
      joined = undefined
    },
  }
}

async function storeOf(
  { store }: CommonsConfig,
  bounds: ReturnType<typeof storeBounds>,
  wall: () => number,
): Promise<Store> {
  if (store.kind === 'lmdb') {
    const { LmdbStore } = await import('./commons/stores/lmdb-store.ts')
    return new LmdbStore(store.dir, bounds, wall)
  }
  if (store.kind === 'redis') {
    const { RedisStore } = await import('./commons/stores/redis-store.ts')
    return new RedisStore(store, bounds, wall)
  }
  const { MemoryStore } = await import('./commons/stores/memory-store.ts')
  return new MemoryStore(bounds, wall)
}

/** Undefined = what one Weir saw of its own calls. */
function conclusionOf({ name, to }: CoreEvent, upstream: string): Conclusion | undefined {
  const topic = CONCLUSIONS.get(name)
  if (topic === undefined) return undefined
  return { about: `${topic}/${upstream}`, is: name === 'condition-changed' ? (to ?? '') : name }
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}
