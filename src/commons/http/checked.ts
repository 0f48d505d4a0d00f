/** What was sent, by a row's schemas: the value, or every fault with its place. */
import type { z } from 'zod'
import { Refused, type Fault } from '../refused.ts'

const MOST_FAULTS = 20

/** @param where '' = the body, whose places are JSON pointers @throws Refused `malformed` */
export function checked(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (schema === undefined) return undefined
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw refusedBy(result.error, where)
}

export function refusedBy(error: z.ZodError, where: string): Refused {
  const faults = error.issues.slice(0, MOST_FAULTS).map((issue): Fault => {
    const place = issue.path.map(String).join('/')
    return {
      where: where === '' ? `/${place}` : `${where} ${place}`,
      found: issue.code === 'unrecognized_keys' ? `unknown: ${issue.keys.join(', ')}` : issue.code,
      allowed: issue.message,
    }
  })
  const [first] = faults
  return new Refused('malformed', `${first?.where ?? ''}: ${first?.allowed ?? 'not understood'}`, faults)
}
