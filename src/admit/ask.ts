/** What may be asked before a step, and how the core is told of it. */
import { z } from 'zod'
import { PRIORITIES, SETTLEMENTS, type Arrival, type Millis } from '../core/model.ts'
import { Refused, malformed } from '../commons/refused.ts'
import type { Guests } from '../proxy/guests.ts'
import { isIdentifier } from '../proxy/identifier.ts'
import type { OwnCaller } from '../proxy/lifecycle.ts'

/** A day: nobody stands in a line for longer. */
const LONGEST_PATIENCE_MS: Millis = 86_400_000
const FAMILY = 'orchestrator'

const identifier = z
  .string()
  .refine(isIdentifier, '1 to 128 characters of A-Z a-z 0-9 . _ : -')
  .meta({ description: '1 to 128 characters of A-Z a-z 0-9 . _ : -' })
const ms = (most: number): z.ZodInt => z.int().min(0).max(most)
const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)

export const ask = z
  .strictObject({
    upstream: z.string().min(1).max(63).meta({ description: 'Name of the upstream that the step will call' }),
    step: identifier.optional().meta({
      description: 'What kind of step it is: steps of one kind are compared with each other. Default: step',
    }),
    method: z
      .string()
      .regex(/^[A-Z]{1,16}$/, 'a method in capitals')
      .optional()
      .meta({ description: 'For rules that match it. Default: POST' }),
    path: z
      .string()
      .max(2048)
      .startsWith('/')
      .optional()
      .meta({ description: 'For rules that match it, in place of /{step}' }),
    agent: identifier.optional().meta({ description: 'Who will do it, if not the caller' }),
    workflow: identifier.optional(),
    parent: identifier.optional().meta({ description: 'The agent or session that this one works for' }),
    priority: z.enum(PRIORITIES).optional(),
    attempt: z.int().min(1).max(1000).optional().meta({ description: 'Which try of the same step it is' }),
    once: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'The same text on every try of the same step' }),
    bytes: count.optional().meta({ description: 'Size of what the step will send, if known' }),
    throughWeir: z.boolean().optional().meta({
      description: 'The calls of the step go through Weir: those are measured, and not the step around them',
    }),
    waitMs: ms(600_000).optional().meta({ description: 'How long this request may wait. Default: 0' }),
    patienceMs: ms(LONGEST_PATIENCE_MS).optional().meta({
      description: 'How long the step can wait in line, over several requests. Default: waitMs',
    }),
    leaseMs: ms(LONGEST_PATIENCE_MS)
      .optional()
      .meta({ description: 'Silence after which whoever has the ticket is taken for dead. Default: 60000' }),
  })
  .meta({ id: 'Ask' })

export type Ask = z.output<typeof ask>

export const report = z
  .strictObject({
    ended: z
      .enum(SETTLEMENTS)
      .optional()
      .meta({ description: 'How it ended; absent with a status = as that status says' }),
    status: z
      .int()
      .min(100)
      .max(599)
      .optional()
      .meta({ description: 'Status of the answer, if there was one' }),
    retryAfterMs: ms(LONGEST_PATIENCE_MS).optional().meta({ description: "The upstream's own Retry-After" }),
    quota: z
      .strictObject({ limit: count, remaining: count, resetMs: count })
      .optional()
      .meta({ description: 'What the upstream said is left' }),
    bytesIn: count.optional(),
    bytesOut: count.optional(),
    waitMs: ms(600_000).optional().meta({ description: 'Without an end: wait on in line for so long' }),
  })
  .meta({ id: 'Report', description: 'Without `ended` and `status`: a sign of life' })

export type Report = z.output<typeof report>

/** Fields of the asking request itself; the step's are its own. */
const NOT_THE_STEPS: ReadonlySet<string> = new Set([
  'content-length',
  'content-type',
  'transfer-encoding',
  'expect',
  'prefer',
  'accept',
])

export interface Asker {
  readonly caller: OwnCaller
  readonly rawHeaders: readonly string[]
  readonly remoteAddress: string
}

/** Fills the record of a turn. @throws Refused `unknown`, `malformed`, `forbidden` */
export function fill(
  arrival: Arrival,
  given: Ask,
  { caller, rawHeaders, remoteAddress }: Asker,
  guests: Guests,
): void {
  if (caller.trust === 'verified' && given.agent !== undefined && given.agent !== caller.agent) {
    throw new Refused('forbidden', 'a verified caller speaks for itself', [
      { where: '/agent', found: 'another agent', allowed: 'nothing, or the name of the caller' },
    ])
  }
  const { step = 'step', method = 'POST', path = `/${step}`, patienceMs = given.waitMs ?? 0 } = given
  // A name that was claimed for this request, in its path maybe, is the step's as well; one that Weir derived is so anyway.
  const agent = given.agent ?? (caller.trust === 'claimed' ? caller.agent : '')
  const workflow = given.workflow ?? caller.workflow
  const head = [
    ...said('weir-agent', agent),
    ...said('weir-workflow', workflow),
    ...said('weir-parent', given.parent),
    ...said('weir-priority', given.priority),
    ...said('weir-once', given.once),
    ...said('weir-attempt', given.attempt),
    ...said('content-length', given.bytes),
  ]
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    const name = rawHeaders[index]!
    if (!NOT_THE_STEPS.has(name.toLowerCase())) head.push(name, rawHeaders[index + 1]!)
  }
  const target = `/${given.upstream}${path}`
  const verified = caller.trust === 'verified' ? caller.agent : ''
  const found = guests.identify({ method, target, rawHeaders: head, remoteAddress, verified }, arrival)
  if (!found.ok) {
    if (found.status === 404) throw new Refused('unknown', `there is no upstream ${given.upstream}`)
    if (found.status === 403) throw new Refused('forbidden', found.reason)
    throw malformed('/path', found.reason, 'the path of a URL in its normal form')
  }
  if (given.bytes === undefined) arrival.bytes = -1
  arrival.family = FAMILY
  arrival.patienceMs = patienceMs
  arrival.holdable = patienceMs > 0
  arrival.deferrable = false
  arrival.longLived = given.throughWeir === true
}

function said(name: string, value: string | number | undefined): string[] {
  return value === undefined || value === '' ? [] : [name, String(value)]
}
