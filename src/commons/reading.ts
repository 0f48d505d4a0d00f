/** What the room says of itself to whoever counts: asked of the store at that moment, in a bounded number of looks. */
import type { Commons } from './commons.ts'
import type { McpCount } from './mcp/mcp-count.ts'
import { TASK_STATES } from './tasks/task.ts'

export interface CommonsReading {
  readonly agents: { readonly registered: number; readonly seen: number }
  readonly published: Readonly<Record<'agents' | 'weir', number>>
  readonly lost: number
  readonly delivered: Readonly<Record<'stream' | 'group' | 'page', number>>
  readonly lag: { readonly stream: number; readonly group: number }
  readonly groups: number
  readonly pending: number
  readonly documents: number
  readonly bytes: Readonly<Record<string, number>>
  readonly tasks: Readonly<Record<string, number>>
  readonly reassigned: Readonly<Record<string, number>>
  readonly claimers: number
  readonly waiting: number
  readonly mcp: { readonly open: number; readonly requests: Readonly<Record<string, number>> }
}

/** @param waiting streams and long polls now @throws StoreError */
export async function readCommons(commons: Commons, mcp: McpCount, waiting: number): Promise<CommonsReading> {
  const { bus, groups, registry, store, tasks, dispatcher } = commons
  const [agents, stream, group, usage, counts] = await Promise.all([
    registry.count(),
    bus.streamLag(),
    groups.lag(),
    store.usage(),
    Promise.all(TASK_STATES.map(async (state) => [state, await tasks.count(state)] as const)),
  ])
  return {
    agents,
    ...bus.counts,
    lost: bus.lost,
    lag: { stream, group: group.events },
    groups: group.groups,
    pending: usage['delivery']?.records ?? 0,
    documents: usage['state']?.records ?? 0,
    bytes: Object.fromEntries(ROOMS.map((room) => [room, usage[room]?.bytes ?? 0])),
    tasks: Object.fromEntries(counts),
    reassigned: tasks.reassigned,
    claimers: dispatcher.waiting,
    waiting,
    mcp: { open: mcp.open, requests: mcp.requests },
  }
}

/** Those of `storeBounds`. */
const ROOMS = [
  'agent',
  'delivery',
  'event-id',
  'group',
  'mcp-session',
  'schema',
  'state',
  'state-history',
  'task',
] as const
