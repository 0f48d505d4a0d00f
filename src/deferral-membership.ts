/** Joins the deferral room to the proxy: a store as configured, its keys, and what the proxy needs of it. */
import type { DeferralConfig } from './deferral-config.ts'
import type { Millis } from './core/model.ts'
import { Deferral, type DeferralReading } from './defer/deferral.ts'
import type { DeferredStore } from './defer/deferred-store.ts'
import { replayIfDone, serveDeferred } from './defer/face.ts'
import { LmdbDisk } from './defer/lmdb-disk.ts'
import { RedisStore } from './defer/redis-store.ts'
import type { Carry } from './defer/runner.ts'
import { Keyring } from './defer/seal.ts'
import { ShelfStore } from './defer/shelf-store.ts'
import type { DeferralDesk } from './proxy/defer-call.ts'
import type { OwnHandler } from './proxy/lifecycle.ts'
import type { Log } from './telemetry/log.ts'

export interface DeferralParts {
  readonly upstreams: readonly string[]
  readonly clock: () => Millis
  readonly wall: () => Millis
  readonly log: Log
}

export interface DeferralMembership {
  /** Undefined = nothing is deferred. */
  readonly desk: DeferralDesk | undefined
  readonly own: OwnHandler
  readonly reading: DeferralReading | undefined
  start(carry: Carry): Promise<void>
  /** Promises and starts nothing more. */
  drain(): void
  close(): Promise<void>
}

const NONE: DeferralMembership = {
  desk: undefined,
  own: () => false,
  reading: undefined,
  start: () => Promise.resolve(),
  drain: () => {},
  close: () => Promise.resolve(),
}

export function joinDeferral(config: DeferralConfig | undefined, parts: DeferralParts): DeferralMembership {
  if (config === undefined) return NONE
  const { upstreams, clock, wall, log } = parts
  const onTrouble = (message: string): void =>
    log.limited('error', 'deferral', { why: message }, 'deferred calls are in trouble')
  const store = storeOf(config, wall, onTrouble)
  const keyring = new Keyring(config.keys)
  const tell = (): void => {
    const { open, durability, totals } = deferral.reading
    const level = open ? 'info' : 'warn'
    log[level]({ open, durability, keys: keyring.ids, waiting: totals.waiting }, 'deferral')
  }
  const room = { store, keyring, upstreams, clock, wall, onTrouble, onOpen: tell }
  const deferral = new Deferral(config, room)
  return {
    desk: {
      get isOpen() {
        return deferral.isOpen
      },
      callBytes: config.callBytes,
      accept: async (call) => await deferral.accept(call),
      withdraw: async (id) => await deferral.withdraw(id),
      wait: async (id, ms) => await deferral.wait(id, ms),
      replay: async (response, id) => await replayIfDone(deferral, response, id),
    },
    own: (request, response, path, caller) => serveDeferred(deferral, request, response, path, caller),
    get reading() {
      return deferral.reading
    },
    async start(carry) {
      await deferral.start(carry)
      if (!deferral.isOpen) tell()
    },
    drain: () => deferral.drain(),
    close: async () => await deferral.close(),
  }
}

function storeOf(
  { store, bounds }: DeferralConfig,
  wall: () => Millis,
  onTrouble: (message: string) => void,
): DeferredStore {
  if (store.kind === 'redis') return new RedisStore({ ...store, onTrouble }, bounds)
  return new ShelfStore(
    new LmdbDisk({ dir: store.dir, bytes: bounds.bytes, calls: bounds.calls }),
    bounds,
    wall,
  )
}

/** For operators: numbers only, nothing of any call. */
export function deferralView(reading: DeferralReading | undefined): object {
  if (reading === undefined) return { configured: false }
  const { totals, at, accepted, refused, withoutKey, open, durability } = reading
  const { oldestAt, ...counts } = totals
  return {
    configured: true,
    open,
    durability,
    ...counts,
    oldestSeconds: oldestAt === 0 ? 0 : Math.max(0, Math.round((at - oldestAt) / 1000)),
    accepted,
    refused,
    withoutKey,
  }
}
