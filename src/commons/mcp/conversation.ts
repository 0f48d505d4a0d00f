/**
 * What a call may say and ask before it is answered, whatever revision of the protocol carries it: how far it is, what
 * happens meanwhile, and questions to the person, the model or the directories at the client's end. Who offers something
 * writes it once; a revision with streams sends each question and waits, one without is called again with the answers.
 */
import { z } from 'zod'
import { isObject, type Json, type JsonObject } from '../json.ts'
import { INVALID_PARAMS, McpFault } from './fault.ts'

/** RFC 5424, 6.2.1; the least first. */
export const LOG_LEVELS = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export function isLogLevel(said: unknown): said is LogLevel {
  return LOG_LEVELS.some((level) => level === said)
}

/** What a client can be asked for; as it declares it. */
export const ABILITIES = ['elicitation', 'sampling', 'roots'] as const
export type Ability = (typeof ABILITIES)[number]

interface Asking {
  readonly needs: Ability
  readonly answer: z.ZodType
}

const ASKED = {
  'elicitation/create': {
    needs: 'elicitation',
    answer: z.looseObject({
      action: z.enum(['accept', 'decline', 'cancel']),
      content: z.record(z.string(), z.json()).optional(),
    }),
  },
  'sampling/createMessage': {
    needs: 'sampling',
    answer: z.looseObject({
      role: z.enum(['user', 'assistant']),
      content: z.union([z.looseObject({}), z.array(z.looseObject({}))]),
      model: z.string(),
    }),
  },
  'roots/list': {
    needs: 'roots',
    answer: z.looseObject({ roots: z.array(z.looseObject({ uri: z.string() })) }),
  },
} as const satisfies Record<string, Asking>

export interface Question {
  readonly method: keyof typeof ASKED
  readonly params: JsonObject
}

/** By a name that stays the same whenever the same call asks it. */
export type Questions = Readonly<Record<string, Question>>
/** By the name of the question; of the shape that its method has. */
export type Answers = Readonly<Record<string, JsonObject>>

export interface Conversation {
  /** Somebody hears it: else it need not be found out. */
  readonly hears: { readonly progress: boolean; readonly log: boolean }
  /** How far it is; only ever more than before. */
  progress(done: number, total?: number, message?: string): void
  log(level: LogLevel, logger: string, data: Json): void
  can(ability: Ability): boolean
  /**
   * May be asked several times, one after the other; a call that asks is begun anew for each round in revisions without
   * streams, so nothing may be done before the last answer is there.
   * @throws McpFault when the client cannot be asked, or does not answer
   */
  ask(questions: Questions): Promise<Answers>
}

/** MCP 2026-07-28, error codes: MissingRequiredClientCapabilityError. */
export const MISSING_CAPABILITY = -32021

/** An empty `elicitation` means forms (2025-11-25, elicitation: capabilities); addresses only are of no use here. */
export function abilitiesOf(said: Json | undefined): ReadonlySet<Ability> {
  const declared = isObject(said) ? said : {}
  return new Set(
    ABILITIES.filter((ability) => {
      const how = declared[ability]
      if (!isObject(how)) return false
      return ability !== 'elicitation' || how['form'] !== undefined || how['url'] === undefined
    }),
  )
}

/** @throws McpFault that names what the client lacks */
export function demandAbilities(questions: Questions, able: (ability: Ability) => boolean): void {
  const lacking = [...new Set(Object.values(questions).map(({ method }) => ASKED[method].needs))].filter(
    (ability) => !able(ability),
  )
  if (lacking.length === 0) return
  const requiredCapabilities = Object.fromEntries(lacking.map((ability) => [ability, {}]))
  throw new McpFault(MISSING_CAPABILITY, `the client lacks ${lacking.join(', ')}`, { requiredCapabilities })
}

/** @throws McpFault when it is not what the method answers */
export function checkedAnswer(name: string, { method }: Question, answer: Json): JsonObject {
  if (isObject(answer) && ASKED[method].answer.safeParse(answer).success) return answer
  throw new McpFault(INVALID_PARAMS, `the answer to ${name} is none to ${method}`)
}

/** What a person has filled in; undefined = they would not. */
export function filledIn(answer: JsonObject | undefined): JsonObject | undefined {
  if (answer?.['action'] !== 'accept') return undefined
  return isObject(answer['content']) ? answer['content'] : {}
}
