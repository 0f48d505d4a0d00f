/** What a task is: as it is asked for, as it is kept, as it is shown. */
import { z } from 'zod'
import type { Millis } from '../../core/model.ts'
import type { Json } from '../json.ts'
import { anyJson, chosenTaskId, shortName, taskId } from '../names.ts'

/** Where a follow-up's input comes from. */
const INPUTS = ['given', 'output', 'input'] as const

export interface FollowUp {
  readonly kind: string
  readonly capability?: string | undefined
  readonly input?: unknown
  /** given: `input` as written. output, input: those of the task that it follows. */
  readonly inputFrom?: (typeof INPUTS)[number] | undefined
  readonly upstreams?: readonly string[] | undefined
  readonly deadlineMs?: Millis | undefined
  readonly attempts?: number | undefined
  readonly leaseMs?: Millis | undefined
  readonly retryDelayMs?: Millis | undefined
  readonly output?: unknown
  readonly onDone?: readonly FollowUp[] | undefined
  readonly onFailed?: readonly FollowUp[] | undefined
}

export interface TaskSpec extends Omit<FollowUp, 'inputFrom'> {
  readonly id?: string | undefined
  readonly after?: readonly string[] | undefined
  readonly correlationid?: string | undefined
}

const shared = {
  kind: shortName.meta({ description: 'What is to be done, by name' }),
  capability: shortName
    .optional()
    .meta({ description: 'What an owner must be able to do; absent = the kind' }),
  input: anyJson.optional().meta({ description: 'Whatever the owner needs' }),
  upstreams: z.array(z.string().min(1).max(63)).max(8).optional().meta({
    description:
      'Configured upstreams without which it cannot be done: it is not dispatched while one is not well',
  }),
  deadlineMs: z
    .number()
    .int()
    .min(100)
    .max(30 * 86_400_000)
    .optional()
    .meta({ description: 'From its creation; then the human gate' }),
  attempts: z
    .number()
    .int()
    .min(1)
    .max(100)
    .optional()
    .meta({ description: 'Owners that may try; then the human gate. Default 3' }),
  leaseMs: z
    .number()
    .int()
    .min(100)
    .max(3_600_000)
    .optional()
    .meta({ description: 'Silence after which an owner has lost it. Default 30000' }),
  retryDelayMs: z.number().int().min(0).max(3_600_000).optional().meta({
    description: 'Before the second attempt, doubled for each further one up to a minute. Default 1000',
  }),
  output: anyJson
    .optional()
    .meta({ description: 'JSON Schema that the output must fit, or the attempt has failed' }),
}

export const followUp: z.ZodType<FollowUp> = z
  .strictObject({
    ...shared,
    inputFrom: z
      .enum(INPUTS)
      .optional()
      .meta({ description: 'Default given, or output when no input is written' }),
    get onDone() {
      return z.array(followUp).max(8).optional()
    },
    get onFailed() {
      return z.array(followUp).max(8).optional()
    },
  })
  .meta({ id: 'FollowUp', description: 'A task that is created mechanically when another one ends' })

export const taskSpec: z.ZodType<TaskSpec> = z
  .strictObject({
    id: chosenTaskId
      .optional()
      .meta({ description: 'Absent = Weir makes one. An id that is there already is a conflict' }),
    ...shared,
    after: z
      .array(taskId)
      .max(64)
      .optional()
      .meta({ description: 'Tasks that must be done before it is dispatched' }),
    correlationid: z
      .string()
      .min(1)
      .max(256)
      .optional()
      .meta({ description: 'Absent = the workflow of the caller' }),
    onDone: z
      .array(followUp)
      .max(8)
      .optional()
      .meta({ description: 'Created in the same step in which it is done' }),
    onFailed: z
      .array(followUp)
      .max(8)
      .optional()
      .meta({ description: 'Created in the same step in which its last attempt has failed' }),
  })
  .meta({ id: 'TaskSpec' })

export const TASK_STATES = ['blocked', 'ready', 'parked', 'running', 'gate', 'done', 'cancelled'] as const
export type TaskStateName = (typeof TASK_STATES)[number]

/** Why it waits for a person. */
export const GATE_CAUSES = ['attempts', 'deadline', 'dependency'] as const
export type GateCause = (typeof GATE_CAUSES)[number]

/** Wall clock in ms throughout. */
export type TaskState =
  /** Waits for other tasks. */
  | { readonly in: 'blocked'; readonly since: Millis; readonly waitsFor: readonly string[] }
  /** May be claimed from `notBefore` on. */
  | { readonly in: 'ready'; readonly since: Millis; readonly notBefore: Millis }
  /** Could be claimed, and this upstream cannot bear it. */
  | { readonly in: 'parked'; readonly since: Millis; readonly upstream: string }
  | { readonly in: 'running'; readonly since: Millis; readonly owner: string; readonly leaseUntil: Millis }
  /** Waits for a person. */
  | { readonly in: 'gate'; readonly since: Millis; readonly cause: GateCause; readonly detail: string }
  | { readonly in: 'done'; readonly since: Millis; readonly owner: string }
  | { readonly in: 'cancelled'; readonly since: Millis; readonly by: string }

/** How an attempt ended without a result. */
export const ATTEMPT_ENDS = ['failed', 'contract', 'lease', 'left', 'undelivered'] as const
export type AttemptEnd = (typeof ATTEMPT_ENDS)[number]

export interface Attempt {
  readonly owner: string
  readonly fence: number
  readonly from: Millis
  readonly until: Millis
  readonly end: AttemptEnd
  readonly reason: string
}

export interface Task {
  readonly id: string
  readonly kind: string
  readonly capability: string
  readonly input: Json
  readonly upstreams: readonly string[]
  /** 0 = none. */
  readonly deadlineAt: Millis
  /** Owners that may try. */
  readonly attempts: number
  readonly leaseMs: Millis
  readonly retryDelayMs: Millis
  /** JSON Schema; absent = anything. */
  readonly outputSchema?: Json
  readonly after: readonly string[]
  readonly onDone: readonly FollowUp[]
  readonly onFailed: readonly FollowUp[]
  readonly createdBy: string
  readonly createdAt: Millis
  readonly correlationid: string
  /** The task that it follows; '' = none. */
  readonly parent: string
  /**
   * Who passes it on: its creator, whoever ended the task that it follows, whoever failed at it last, or the person at
   * the gate. Absent in records of earlier versions: the creator.
   */
  readonly handedBy?: string
  readonly state: TaskState
  /** Attempts so far. */
  readonly attempt: number
  /** Grows with each claim: whoever acts with an older one is refused. */
  readonly fence: number
  /** The last attempts that failed. */
  readonly tried: readonly Attempt[]
  readonly result?: Json
  /** Other tasks wait for it. */
  readonly hasDependents: boolean
}

export const TASK_DEFAULTS = { attempts: 3, leaseMs: 30_000, retryDelayMs: 1000 } as const
/** A retry waits no longer than that. */
export const LONGEST_RETRY_MS: Millis = 60_000
/** Failed attempts that are remembered. */
export const REMEMBERED_ATTEMPTS = 16
