/** What an agent says of itself, and what the registry answers. */
import { z } from 'zod'
import type { Millis } from '../../core/model.ts'
import type { Json } from '../json.ts'
import { anyJson, shortName } from '../names.ts'

const capability = z
  .strictObject({
    name: shortName,
    version: z.string().min(1).max(64).optional(),
    description: z.string().max(1000).optional(),
    input: anyJson.optional().meta({ description: 'JSON Schema of the input of its tasks' }),
    output: anyJson.optional().meta({ description: 'JSON Schema of their output' }),
  })
  .meta({ id: 'Capability' })

export const registration = z
  .strictObject({
    capabilities: z.array(capability).max(64).optional().default([]),
    endpoint: z.url().max(2048).optional().meta({ description: 'Where it can be reached, if it can' }),
    card: anyJson.optional().meta({ description: 'Its A2A agent card, or the address of it' }),
    ttlMs: z
      .number()
      .int()
      .min(1000)
      .max(3_600_000)
      .optional()
      .default(30_000)
      .meta({ description: 'Silence after which it has left' }),
  })
  .meta({ id: 'Registration' })

export type Registration = z.output<typeof registration>

/** Traffic of one agent with one upstream, as Weir saw it. */
export interface FlowView {
  readonly upstream: string
  readonly calls: number
  readonly errorRatio: number
  /** Wall clock in ms. */
  readonly lastSeenAt: Millis
  /** Of the upstream, now. */
  readonly condition: string
}

export interface Observed {
  readonly lastSeenAt: Millis
  readonly calls: number
  readonly errorRatio: number
  /** As the core sees the agent: ordinary, retrying, looping. */
  readonly condition: string
  readonly flows: readonly FlowView[]
}

export interface AgentView {
  readonly agent: string
  /** False = known from its traffic only. */
  readonly registered: boolean
  /** It gave a sign of life within its TTL, or sent a call within the last minute. */
  readonly live: boolean
  readonly capabilities: Registration['capabilities']
  readonly endpoint?: string
  readonly card?: Json
  readonly registeredAt?: Millis
  readonly expiresAt?: Millis
  /** Tasks that it has now. */
  readonly tasks: number
  /** Absent = no call of it was seen lately. */
  readonly observed?: Observed
}
