/** What the commons may cost, in one table. The defaults are for one team of agents; `commons.limits` changes some. */
import type { Millis } from '../core/model.ts'
import type { StoreBounds } from './store.ts'

export interface CommonsLimits {
  /** Of one document, event, task or registration. */
  readonly recordBytes: number
  readonly documents: number
  readonly events: number
  readonly tasks: number
  readonly agents: number
  /** Of a room: its documents, its tasks, its log of events. */
  readonly roomBytes: number
  /** Event streams and long polls at once, of all agents. */
  readonly listeners: number
  /** ... and of one agent. */
  readonly listenersPerAgent: number
  /** Older versions of a document that are kept. */
  readonly history: number
  readonly schemas: number
  /** Longest a poll may wait. */
  readonly waitMs: Millis
  /** How long the end of a task is kept. */
  readonly keepTasksMs: Millis
}

export const DEFAULT_LIMITS: CommonsLimits = {
  recordBytes: 256 * 1024,
  documents: 10_000,
  events: 100_000,
  tasks: 100_000,
  agents: 10_000,
  roomBytes: 256 * 1024 * 1024,
  listeners: 2000,
  listenersPerAgent: 64,
  history: 10,
  schemas: 1000,
  waitMs: 60_000,
  keepTasksMs: 24 * 3_600_000,
}

/** A delivery is a copy of its event: as many as consumers may leave open at once. */
const OPEN_DELIVERIES = 10_000
const GROUPS = 1000
/** Ids of events that were published lately, to know a repetition. */
const RECENT_IDS = 50_000

export function storeBounds(limits: CommonsLimits): StoreBounds {
  const { roomBytes: bytes } = limits
  return {
    rooms: {
      agent: { records: limits.agents, bytes },
      delivery: { records: OPEN_DELIVERIES, bytes },
      'event-id': { records: RECENT_IDS, bytes },
      group: { records: GROUPS, bytes },
      'mcp-session': { records: limits.agents, bytes },
      schema: { records: limits.schemas, bytes },
      state: { records: limits.documents, bytes },
      'state-history': { records: limits.documents * limits.history, bytes },
      task: { records: limits.tasks, bytes },
    },
    logs: {
      events: { entries: limits.events, bytes },
      state: { entries: 2 * limits.documents, bytes: bytes / 4 },
    },
  }
}
