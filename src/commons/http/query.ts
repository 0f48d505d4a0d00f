/** Parameters that several operations share. */
import { z } from 'zod'

/** Rows per page by default and at most. */
const ROWS = { usual: 100, most: 1000 } as const

/** Whole numbers of a query: decimal digits only. */
export function wholeNumber(least: number, most: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^[0-9]{1,16}$/)
    .transform(Number)
    .refine((value) => value >= least && value <= most, { error: `a whole number from ${least} to ${most}` })
    .meta({ description: `A whole number from ${least} to ${most}` })
}

export const limit = wholeNumber(1, ROWS.most)
  .optional()
  .default(ROWS.usual)
  .meta({ description: 'Rows at most' })

/** A moment of waiting; more than the limit of this Weir counts as the limit. */
export const waitMs = wholeNumber(0, 600_000)
  .optional()
  .default(0)
  .meta({ description: 'Wait so long for something, in ms' })

export const truth = z
  .enum(['true', 'false'])
  .transform((value) => value === 'true')
  .optional()
