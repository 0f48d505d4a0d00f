/**
 * Handoffs: each time that a task passed from one to another, as one message. They are the bus's own events of
 * assignments and of what came to the human gate, so nothing is told that did not happen, and nothing is left out that
 * the log still keeps.
 */
import type { BusEntry } from '../events/bus.ts'
import { isObject, type JsonObject } from '../json.ts'

/** assigned: to its first owner. reassigned: away from one who lost it. escalated: to a person. */
export const HANDOFF_KINDS = ['assigned', 'reassigned', 'escalated'] as const

export interface Handoff {
  /** Its place on the bus. */
  readonly offset: number
  /** Id of the event. */
  readonly event: string
  /** RFC 3339. */
  readonly at: string
  /** '' = none was said. */
  readonly workflow: string
  readonly task: string
  readonly kind: string
  readonly capability: string
  readonly how: (typeof HANDOFF_KINDS)[number]
  readonly from: string
  /** An agent, or `person`. */
  readonly to: string
  readonly attempt: number
  readonly fence: number
  /** Why it did not stay with the one before; '' = it did. */
  readonly why: string
  /** The task that it follows; '' = none. */
  readonly parent: string
}

export const HANDOFF_TYPES = ['weir.task.assigned', 'weir.task.gated'] as const
/** Who stands at the human gate. */
export const PERSON = 'person'

/** Undefined = the event is none. */
export function handoffOf({ offset, item }: BusEntry): Handoff | undefined {
  const { data } = item
  const isGated = item.type === HANDOFF_TYPES[1]
  if (!isObject(data) || !(isGated || item.type === HANDOFF_TYPES[0])) return undefined
  const why = textOf(data, 'why')
  return {
    offset,
    event: item.id,
    at: item.time,
    workflow: textOf(item, 'correlationid'),
    task: textOf(data, 'task'),
    kind: textOf(data, 'kind'),
    capability: textOf(data, 'capability'),
    how: isGated ? 'escalated' : why === '' ? 'assigned' : 'reassigned',
    from: textOf(data, 'lostBy') || textOf(data, 'handedBy') || textOf(data, 'owner'),
    to: isGated ? PERSON : textOf(data, 'owner'),
    attempt: numberOf(data, 'attempt'),
    fence: numberOf(data, 'fence'),
    why,
    parent: textOf(data, 'parent'),
  }
}

function textOf(data: JsonObject, name: string): string {
  const value = data[name]
  return typeof value === 'string' ? value : ''
}

function numberOf(data: JsonObject, name: string): number {
  const value = data[name]
  return typeof value === 'number' ? value : 0
}
