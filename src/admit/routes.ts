/** The operations of the admission API, for the face that serves them and for OpenAPI. */
import { z } from 'zod'
import { REASONS } from '../core/model.ts'
import { VERSIONED } from '../commons/version-path.ts'
import { ask, report } from './ask.ts'

export const ADMIT_PATH = `${VERSIONED}/admit`
export const AUTHZ_PATH = `${VERSIONED}/authz/`

const said = {
  reason: z.enum(REASONS).meta({ description: 'Why, as one word' }),
  rule: z.string().optional().meta({ description: 'The rule that decided; absent = none did' }),
  upstream: z.string().meta({ description: 'Where to go: what was asked for, or a member of its group' }),
  heldMs: z.number().meta({ description: 'How long it waited in line' }),
}
const waiting = {
  waitMs: z.int().meta({ description: 'From now' }),
  at: z.string().meta({ description: 'The same as an instant, by the clock of Weir' }),
}

export const admission = z
  .union([
    z.object({
      answer: z.literal('go'),
      ticket: z.string().meta({ description: 'To be told how it ended' }),
      leaseMs: z.int(),
      ...said,
    }),
    z
      .object({ answer: z.literal('wait'), ticket: z.string(), ...said, ...waiting })
      .meta({ description: 'Its place in line stays for some seconds: ask on with the ticket' }),
    z
      .object({ answer: z.literal('slot'), ...said, ...waiting })
      .meta({ description: 'An instant that nobody else was given: ask again then' }),
    z.object({ answer: z.literal('refused'), ...said }).meta({ description: 'For good: do not ask again' }),
    z.object({ answer: z.literal('ended'), ...z.object(waiting).partial().shape }).meta({
      description: 'Told; with waitMs when the upstream refused: the instant for the next try',
    }),
  ])
  .meta({ id: 'Admission' })

export type Admission = z.output<typeof admission>

const ticket = z.strictObject({ ticket: z.string().regex(/^[A-Za-z0-9_-]{22}$/) })
const answers = { 200: { description: 'The answer', schema: admission } }

/** In the shape of the commons' rows, without what runs them. */
export const ADMIT_ROUTES = [
  {
    method: 'POST',
    path: ADMIT_PATH,
    id: 'admit',
    tag: 'admission',
    summary: 'May this step begin? Go, wait in line, or come back at an instant of its own',
    body: ask,
    answers,
  },
  {
    method: 'POST',
    path: `${ADMIT_PATH}/{ticket}`,
    id: 'reportAdmission',
    tag: 'admission',
    summary: 'How the step ended; without an end, a sign of life, or a longer wait in line',
    params: ticket,
    body: report,
    answers,
  },
  {
    method: 'GET',
    path: `${ADMIT_PATH}/{ticket}`,
    id: 'readAdmission',
    tag: 'admission',
    summary: 'Where a ticket is; no sign of life',
    params: ticket,
    answers,
  },
] as const
