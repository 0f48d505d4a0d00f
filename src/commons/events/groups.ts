/**
 * Consumer groups: each event that fits is handed to one member, and is done when that member says so. Until then a
 * copy of it is kept, with a lease: when the lease ends without a word, another member gets it. After the last try it
 * is announced as `weir.delivery.exhausted`, with the event in it, instead of blocking what comes behind.
 */
import { z } from 'zod'
import type { Millis } from '../../core/model.ts'
import { demand, type Caller, type May } from '../caller.ts'
import { Refused } from '../refused.ts'
import { step, unchanged } from '../step.ts'
import type { Change, Store } from '../store.ts'
import { Turns } from '../turns.ts'
import type { Bus } from './bus.ts'
import { type BusEvent, ownEventText } from './cloud-event.ts'
import { eventFilter, type EventFilter } from './event-filter.ts'
import { readBack } from '../read-back.ts'

export const groupSettings = z
  .strictObject({
    filter: eventFilter.optional().default({}),
    from: z
      .enum(['now', 'oldest'])
      .optional()
      .default('now')
      .meta({ description: 'Where a new group begins' }),
    leaseMs: z.number().int().min(100).max(3_600_000).optional().default(30_000),
    deliveries: z
      .number()
      .int()
      .min(1)
      .max(100)
      .optional()
      .default(5)
      .meta({ description: 'Tries per event, then weir.delivery.exhausted' }),
  })
  .meta({ id: 'GroupSettings' })

export type GroupSettings = z.output<typeof groupSettings>

export interface GroupView extends Omit<GroupSettings, 'from'> {
  readonly group: string
  readonly by: string
  /** The last place that was handed out. */
  readonly cursor: number
  /** Handed out, and not acknowledged. */
  readonly open: number
  /** Events that fell out of the log before the group came to them. */
  readonly lost: number
}

export interface Delivery {
  /** Names this one handing out: an older one is no longer good. */
  readonly delivery: string
  readonly offset: number
  readonly attempt: number
  /** Wall clock in ms. */
  readonly leaseUntil: Millis
  readonly event: BusEvent
}

interface GroupRecord {
  readonly filter: EventFilter
  readonly leaseMs: Millis
  readonly deliveries: number
  readonly by: string
  readonly cursor: number
  readonly lost: number
}

interface DeliveryRecord {
  readonly event: BusEvent
  readonly attempt: number
  readonly consumer: string
}

/** Deliveries of one group that may be open: a group whose members never acknowledge stops there. */
const MOST_OPEN = 1000
/** Groups looked at per round of a count. */
const ROWS = 256

export class Groups {
  readonly #store: Store
  readonly #may: May
  readonly #bus: Bus
  readonly #turns = new Turns()

  constructor(store: Store, may: May, bus: Bus) {
    this.#store = store
    this.#may = may
    this.#bus = bus
  }

  /** Makes a group, or changes its settings; its place stays. */
  async put(caller: Caller, group: string, settings: GroupSettings): Promise<GroupView> {
    demand(this.#may, caller, { do: 'event.subscribe', on: settings.filter.types?.join(' ') ?? '*' })
    const { filter, leaseMs, deliveries } = settings
    const start = settings.from === 'now' ? await this.#bus.last() : 0
    const key = keyOf(group)
    await step(this.#store, async () => {
      const stored = await this.#store.get(key)
      const before = stored === undefined ? { cursor: start, lost: 0 } : groupOf(stored.value)
      const record: GroupRecord = {
        filter,
        leaseMs,
        deliveries,
        by: caller.agent,
        cursor: before.cursor,
        lost: before.lost,
      }
      const value = JSON.stringify(record)
      return {
        changes: [{ do: 'put', key, value, expected: stored?.version ?? 'absent', bounded: true }],
        result: () => undefined,
      }
    })
    return this.get(caller, group)
  }

  async get(caller: Caller, group: string): Promise<GroupView> {
    const stored = await this.#store.get(keyOf(group))
    if (stored === undefined) throw unknownGroup(group)
    const record = groupOf(stored.value)
    demand(this.#may, caller, { do: 'event.subscribe', on: record.filter.types?.join(' ') ?? '*' })
    return { group, ...record, open: await this.#store.count(openOf(group)) }
  }

  async remove(caller: Caller, group: string): Promise<void> {
    await this.get(caller, group)
    await this.#store.commit([{ do: 'delete', key: keyOf(group), expected: 'any' }])
    for (;;) {
      const open = await this.#store.marked(openOf(group), Infinity, 256)
      if (open.length === 0) return
      await this.#store.commit(open.map(({ key }): Change => ({ do: 'delete', key, expected: 'any' })))
    }
  }

  /**
   * What there is to do, up to `most`; waits up to `waitMs` for something.
   *
   * @throws Refused `unknown`
   */
  async receive(
    caller: Caller,
    group: string,
    most: number,
    waitMs: Millis,
    signal: AbortSignal,
  ): Promise<readonly Delivery[]> {
    await this.get(caller, group)
    const until = this.#store.now() + waitMs
    for (;;) {
      const found = await this.#turns.take(group, () =>
        signal.aborted ? Promise.resolve([]) : this.#take(caller, group, most),
      )
      const leftMs = until - this.#store.now()
      if (found.length > 0 || leftMs <= 0 || signal.aborted) return found
      const [next] = await this.#store.marked(openOf(group), Infinity, 1)
      const dueMs = next === undefined ? Infinity : Math.max(1, next.at - this.#store.now())
      await this.#bus.grown(Math.min(leftMs, dueMs), signal)
    }
  }

  /** Ends deliveries; answers those that were no longer this member's to end. */
  async acknowledge(
    caller: Caller,
    group: string,
    deliveries: readonly string[],
  ): Promise<readonly string[]> {
    await this.get(caller, group)
    const changes = deliveries.map((delivery): Change => {
      const { offset, version } = partsOf(delivery)
      return { do: 'delete', key: deliveryKey(group, offset), expected: version }
    })
    if (changes.length === 0 || (await this.#store.commit(changes)).ok) return []
    const late: string[] = []
    for (const [index, change] of changes.entries()) {
      if (!(await this.#store.commit([change])).ok) late.push(deliveries[index]!)
    }
    return late
  }

  /** Gives a delivery back, to be handed out again after `delayMs`. @throws Refused `gone` */
  async giveBack(caller: Caller, group: string, delivery: string, delayMs: Millis): Promise<void> {
    await this.get(caller, group)
    const { offset, version } = partsOf(delivery)
    const key = deliveryKey(group, offset)
    const stored = await this.#store.get(key)
    const marks = { [openOf(group)]: this.#store.now() + delayMs }
    const commit =
      stored === undefined
        ? undefined
        : await this.#store.commit([{ do: 'put', key, value: stored.value, expected: version, marks }])
    if (commit?.ok !== true) throw new Refused('gone', `delivery ${delivery} is no longer yours`)
  }

  /** How many groups there are, and how many events the one furthest behind has not been given yet. */
  async lag(): Promise<{ readonly groups: number; readonly events: number }> {
    const last = await this.#bus.last()
    let groups = 0
    let least = last
    for (let after = ''; ;) {
      const rows = await this.#store.scan('group/', after, ROWS)
      groups += rows.length
      for (const { value } of rows) least = Math.min(least, groupOf(value).cursor)
      if (rows.length < ROWS) return { groups, events: last - least }
      after = rows.at(-1)!.key
    }
  }

  async #take(caller: Caller, group: string, most: number): Promise<readonly Delivery[]> {
    const again = await this.#takeOverdue(caller, group, most)
    if (again.length > 0) return again
    return step(this.#store, async () => {
      const stored = await this.#store.get(keyOf(group))
      if (stored === undefined) throw unknownGroup(group)
      const record = groupOf(stored.value)
      const room = Math.min(most, MOST_OPEN - (await this.#store.count(openOf(group))))
      if (room <= 0) return unchanged<readonly Delivery[]>([])
      const { entries, next, first } = await this.#bus.find(caller, record.filter, record.cursor, room)
      if (next === record.cursor) return unchanged<readonly Delivery[]>([])
      const now = this.#store.now()
      const leaseUntil = now + record.leaseMs
      const lost = record.lost + Math.max(0, first - 1 - record.cursor)
      const handed = entries.map(({ offset, item }): Change => {
        const value = JSON.stringify({
          event: item,
          attempt: 1,
          consumer: caller.agent,
        } satisfies DeliveryRecord)
        return {
          do: 'put',
          key: deliveryKey(group, offset),
          value,
          expected: 'absent',
          marks: { [openOf(group)]: leaseUntil },
          bounded: true,
        }
      })
      const value = JSON.stringify({ ...record, cursor: next, lost } satisfies GroupRecord)
      return {
        changes: [{ do: 'put', key: keyOf(group), value, expected: stored.version }, ...handed],
        result: ({ version }): readonly Delivery[] =>
          entries.map(({ offset, item }) => ({
            delivery: `${offset}-${version}`,
            offset,
            attempt: 1,
            leaseUntil,
            event: item,
          })),
      }
    })
  }

  /** Whose lease is over. Each is a step of its own: what another replica was faster with is left out. */
  async #takeOverdue(caller: Caller, group: string, most: number): Promise<readonly Delivery[]> {
    const now = this.#store.now()
    const overdue = await this.#store.marked(openOf(group), now, most)
    if (overdue.length === 0) return []
    const stored = await this.#store.get(keyOf(group))
    if (stored === undefined) return []
    const { leaseMs, deliveries } = groupOf(stored.value)
    const taken: Delivery[] = []
    for (const { key, value, version } of overdue) {
      const { event, attempt } = readBack<DeliveryRecord>(value)
      const offset = Number(key.slice(key.lastIndexOf('/') + 1))
      if (attempt >= deliveries) {
        const text = ownEventText(
          {
            type: 'weir.delivery.exhausted',
            subject: group,
            data: { group, offset, attempts: attempt, event },
          },
          now,
        )
        await this.#store.commit([
          { do: 'delete', key, expected: version },
          { do: 'append', log: 'events', value: text },
        ])
        continue
      }
      const next = { event, attempt: attempt + 1, consumer: caller.agent } satisfies DeliveryRecord
      const leaseUntil = now + leaseMs
      const commit = await this.#store.commit([
        {
          do: 'put',
          key,
          value: JSON.stringify(next),
          expected: version,
          marks: { [openOf(group)]: leaseUntil },
        },
      ])
      if (commit.ok) {
        taken.push({
          delivery: `${offset}-${commit.version}`,
          offset,
          attempt: attempt + 1,
          leaseUntil,
          event,
        })
      }
    }
    return taken
  }
}

function groupOf(text: string): GroupRecord {
  return readBack<GroupRecord>(text)
}

function keyOf(group: string): string {
  return `group/${group}`
}

/** Index of what is open, by the end of its lease. */
function openOf(group: string): string {
  return `delivery-open/${group}`
}

function deliveryKey(group: string, offset: number): string {
  return `delivery/${group}/${String(offset).padStart(16, '0')}`
}

function partsOf(delivery: string): { offset: number; version: number } {
  const parts = /^([0-9]{1,16})-([0-9]{1,16})$/.exec(delivery)
  if (parts === null)
    throw new Refused('malformed', `${delivery.slice(0, 64)} is no delivery; take it from receive`)
  return { offset: Number(parts[1]), version: Number(parts[2]) }
}

function unknownGroup(group: string): Refused {
  return new Refused('unknown', `there is no group ${group}; PUT it first`)
}
