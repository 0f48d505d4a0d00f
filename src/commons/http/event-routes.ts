/** The bus over HTTP: CloudEvents in, CloudEvents out. */
import { z } from 'zod'
import { eventsOf } from '../events/cloud-event.ts'
import { eventFilter, type EventFilter } from '../events/event-filter.ts'
import { groupSettings, type GroupView } from '../events/groups.ts'
import { anyJson, shortName } from '../names.ts'
import { placeToStart } from './last-event.ts'
import { limit, waitMs, wholeNumber } from './query.ts'
import { route, type Route } from './route.ts'

const publishedView = z
  .object({ id: z.string(), offset: z.number().int(), duplicate: z.boolean() })
  .meta({ id: 'Published' })
const event = z
  .record(z.string(), anyJson)
  .meta({ id: 'CloudEvent', description: 'CloudEvents 1.0, JSON format, with sender and correlationid' })
const entry = z.object({ offset: z.number().int(), event }).meta({ id: 'EventEntry' })
const group = z.strictObject({ group: shortName })
const groupView = z
  .object({
    group: shortName,
    filter: eventFilter,
    leaseMs: z.number(),
    deliveries: z.number(),
    by: z.string(),
    cursor: z.number().int(),
    open: z.number().int(),
    lost: z.number().int(),
  })
  .meta({ id: 'Group' })
const deliveryView = z
  .object({
    delivery: z.string(),
    offset: z.number().int(),
    attempt: z.number().int(),
    leaseUntil: z.string(),
    event,
  })
  .meta({ id: 'Delivery' })
const deliveryIds = z.array(z.string().max(64)).min(1).max(100)

function shownGroup({
  group: name,
  filter,
  leaseMs,
  deliveries,
  by,
  cursor,
  open,
  lost,
}: GroupView): GroupView {
  return { group: name, filter, leaseMs, deliveries, by, cursor, open, lost }
}

export const eventRoutes: readonly Route[] = [
  route({
    method: 'POST',
    path: '/weir/v1/events',
    id: 'publishEvents',
    tag: 'events',
    summary: 'Publishes an event (binary or structured mode) or a batch; kept when it answers',
    raw: ['application/cloudevents+json', 'application/cloudevents-batch+json', 'application/json', '*/*'],
    answers: {
      200: { description: 'Kept, in this order', schema: z.object({ published: z.array(publishedView) }) },
    },
    async run({ commons, caller, headers, bytes }) {
      const events = eventsOf(
        { headers, body: bytes },
        caller,
        commons.store.now(),
        commons.limits.recordBytes,
      )
      return { status: 200, body: { published: await commons.bus.publish(caller, events) } }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/events',
    id: 'readEvents',
    tag: 'events',
    summary: 'Events after a place; with Accept: text/event-stream, from now on or after Last-Event-ID',
    query: z.strictObject({
      type: z
        .union([z.string(), z.array(z.string())])
        .optional()
        .meta({ description: 'A type, or the beginning of types with *; may be repeated' }),
      source: z.string().optional(),
      subject: z.string().optional(),
      sender: z.string().optional(),
      correlationid: z.string().optional(),
      after: wholeNumber(0, Number.MAX_SAFE_INTEGER).optional(),
      limit,
      waitMs,
    }),
    headers: { 'Last-Event-ID': 'The last event that was seen' },
    answers: {
      200: {
        description: 'Events; `next` is the place to go on from, `first` that of the oldest one kept',
        schema: z.object({ events: z.array(entry), next: z.number().int(), first: z.number().int() }),
      },
    },
    async run(asked) {
      const { commons, caller, query } = asked
      const filter = filterOf(query)
      if (asked.headers.accept?.includes('text/event-stream') === true) {
        const newest = (): Promise<number> => commons.bus.last()
        let at = query.after ?? (await placeToStart(asked.headers, newest))
        // Refused before the stream begins, if it is.
        await commons.bus.find(caller, filter, Number.MAX_SAFE_INTEGER - 1, 1)
        const stream = asked.stream()
        // A place that this log never reached: it was begun anew.
        if (at > (await newest())) at = 0
        const { follower, end } = commons.bus.follow(at)
        try {
          while (!asked.signal.aborted) {
            const { entries, next, first } = await commons.bus.find(caller, filter, follower.at, 64)
            if (follower.at + 1 < first) {
              await stream.send('weir.gap', { from: follower.at + 1, to: first - 1 })
            }
            for (const { offset, item } of entries) await stream.send(item.type, item, offset)
            commons.bus.handedOut('stream', entries.length)
            follower.at = next
            if (entries.length === 0) await commons.bus.grown(15_000, asked.signal)
          }
        } finally {
          end()
        }
        return undefined
      }
      let found = await commons.bus.find(caller, filter, query.after ?? 0, query.limit)
      if (found.entries.length === 0 && query.waitMs > 0) {
        asked.wait()
        const until = commons.store.now() + Math.min(query.waitMs, commons.limits.waitMs)
        while (found.entries.length === 0 && !asked.signal.aborted && commons.store.now() < until) {
          await commons.bus.grown(until - commons.store.now(), asked.signal)
          found = await commons.bus.find(caller, filter, found.next, query.limit)
        }
      }
      commons.bus.handedOut('page', found.entries.length)
      const events = found.entries.map(({ offset, item }) => ({ offset, event: item }))
      return { status: 200, body: { events, next: found.next, first: found.first } }
    },
  }),
  route({
    method: 'PUT',
    path: '/weir/v1/groups/{group}',
    id: 'putGroup',
    tag: 'events',
    summary: 'Makes a consumer group, or changes its settings; its place stays',
    params: group,
    body: groupSettings,
    answers: { 200: { description: 'The group', schema: groupView } },
    async run({ commons, caller, params, body }) {
      return { status: 200, body: shownGroup(await commons.groups.put(caller, params.group, body)) }
    },
  }),
  route({
    method: 'GET',
    path: '/weir/v1/groups/{group}',
    id: 'readGroup',
    tag: 'events',
    summary: 'Where a consumer group is',
    params: group,
    answers: { 200: { description: 'The group', schema: groupView } },
    async run({ commons, caller, params }) {
      return { status: 200, body: shownGroup(await commons.groups.get(caller, params.group)) }
    },
  }),
  route({
    method: 'DELETE',
    path: '/weir/v1/groups/{group}',
    id: 'deleteGroup',
    tag: 'events',
    summary: 'Ends a consumer group, and what it had open',
    params: group,
    answers: { 204: { description: 'Gone' } },
    async run({ commons, caller, params }) {
      await commons.groups.remove(caller, params.group)
      return { status: 204 }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/groups/{group}/receive',
    id: 'receiveDeliveries',
    tag: 'events',
    summary: 'Takes what there is to do, with a lease; waits for something if asked to',
    params: group,
    body: z.strictObject({
      max: z.number().int().min(1).max(100).optional().default(1),
      waitMs: z.number().int().min(0).max(600_000).optional().default(0),
    }),
    answers: {
      200: {
        description: 'Deliveries, each to be acknowledged',
        schema: z.object({ deliveries: z.array(deliveryView) }),
      },
    },
    async run(asked) {
      const { commons, caller, params, body } = asked
      if (body.waitMs > 0) asked.wait()
      const wait = Math.min(body.waitMs, commons.limits.waitMs)
      const found = await commons.groups.receive(caller, params.group, body.max, wait, asked.signal)
      commons.bus.handedOut('group', found.length)
      const deliveries = found.map((each) => ({
        ...each,
        leaseUntil: new Date(each.leaseUntil).toISOString(),
      }))
      return { status: 200, body: { deliveries } }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/groups/{group}/acknowledge',
    id: 'acknowledgeDeliveries',
    tag: 'events',
    summary: 'Ends deliveries; `late` are those that were handed to somebody else meanwhile',
    params: group,
    body: z.strictObject({ deliveries: deliveryIds }),
    answers: { 200: { description: 'Done', schema: z.object({ late: z.array(z.string()) }) } },
    async run({ commons, caller, params, body }) {
      return {
        status: 200,
        body: { late: await commons.groups.acknowledge(caller, params.group, body.deliveries) },
      }
    },
  }),
  route({
    method: 'POST',
    path: '/weir/v1/groups/{group}/return',
    id: 'returnDelivery',
    tag: 'events',
    summary: 'Gives a delivery back, for another member',
    params: group,
    body: z.strictObject({
      delivery: z.string().max(64),
      delayMs: z.number().int().min(0).max(3_600_000).optional().default(0),
    }),
    answers: { 204: { description: 'It will be handed out again' } },
    async run({ commons, caller, params, body }) {
      await commons.groups.giveBack(caller, params.group, body.delivery, body.delayMs)
      return { status: 204 }
    },
  }),
]

interface FilterQuery extends Omit<EventFilter, 'types'> {
  readonly type?: string | string[] | undefined
}

/** @throws ZodError, which the face shows as a problem */
function filterOf({ type, source, subject, sender, correlationid }: FilterQuery): EventFilter {
  const types = type === undefined ? undefined : [type].flat()
  return eventFilter.parse({ types, source, subject, sender, correlationid })
}
