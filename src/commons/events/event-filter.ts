/** Which events somebody wants. Exact values, and `*` at the end of a type: matched without a regular expression. */
import { z } from 'zod'
import type { BusEvent } from './cloud-event.ts'

const type = z
  .string()
  .regex(/^(\*|[A-Za-z0-9][A-Za-z0-9._/:-]{0,255}\*?)$/)
  .meta({ description: 'A type, or the beginning of types with * behind it' })

export const eventFilter = z
  .strictObject({
    types: z.array(type).min(1).max(32).optional().meta({ description: 'Any of them; absent = all' }),
    source: z.string().min(1).max(1024).optional(),
    subject: z.string().min(1).max(1024).optional(),
    sender: z.string().min(1).max(128).optional(),
    correlationid: z.string().min(1).max(1024).optional(),
  })
  .meta({ id: 'EventFilter', description: 'All that is given must fit' })

export type EventFilter = z.output<typeof eventFilter>

const EXACT = ['source', 'subject', 'sender', 'correlationid'] as const

export function fits(filter: EventFilter, event: BusEvent): boolean {
  for (const name of EXACT) {
    const wanted = filter[name]
    if (wanted !== undefined && event[name] !== wanted) return false
  }
  return filter.types === undefined || filter.types.some((wanted) => isOfType(wanted, event.type))
}

function isOfType(wanted: string, found: string): boolean {
  return wanted.endsWith('*') ? found.startsWith(wanted.slice(0, -1)) : found === wanted
}
