/**
 * The human gate, where the human is: `decide_task` without a decision asks the person before the client. The permission
 * is that of the caller as always, and it is the client that vouches for the person.
 */
import { demand } from '../caller.ts'
import type { Json, JsonObject } from '../json.ts'
import { Refused } from '../refused.ts'
import type { Task } from '../tasks/task.ts'
import { filledIn, type Conversation, type Question } from './conversation.ts'
import type { Waiting } from './meanwhile.ts'
import type { CallContext } from './tools.ts'

const TOOL = 'decide_task'
const MOST_ATTEMPTS = 100
const LONGEST_RESULT = 4000

/** The arguments with what the person decided. @throws Refused when there is nothing to decide, or they would not */
export async function withDecision(
  { name, given }: Pick<Waiting, 'name' | 'given'>,
  { commons, caller }: CallContext,
  conversation: Conversation,
): Promise<JsonObject> {
  const { id } = given
  const isAsked = name === TOOL && given['decision'] === undefined && typeof id === 'string'
  if (!isAsked || !conversation.can('elicitation')) return given
  const task = await commons.tasks.get(caller, id)
  demand(commons.may, caller, { do: 'task.decide', on: task.kind })
  if (task.state.in !== 'gate') {
    throw new Refused('conflict', `task ${id} is ${task.state.in}, not at the gate`)
  }
  // What was decided holds for this stay at the gate, not for a later one.
  const stay = `decision-${task.state.since}`
  const answers = await conversation.ask({ [stay]: questionOf(task, task.state) })
  const decision = filledIn(answers[stay])
  if (decision === undefined) throw new Refused('conflict', `nobody decided; task ${id} waits on at the gate`)
  const { state } = await commons.tasks.get(caller, id)
  if (state.since !== task.state.since) throw new Refused('conflict', `task ${id} is ${state.in} meanwhile`)
  return { ...given, decision: decisionOf(decision) }
}

function questionOf(
  { id, kind, createdBy }: Task,
  { cause, detail }: Extract<Task['state'], { in: 'gate' }>,
): Question {
  const decisions = [
    { const: 'retry', title: 'Try again' },
    { const: 'done', title: 'It is done; the result is below' },
    { const: 'cancel', title: 'Cancel it' },
  ]
  return {
    method: 'elicitation/create',
    params: {
      message: `Task ${id} (${kind}, from ${createdBy}) waits for a person. ${cause}: ${detail}`,
      requestedSchema: {
        type: 'object',
        properties: {
          decision: { type: 'string', title: 'Decision', oneOf: decisions },
          attempts: {
            type: 'integer',
            title: 'Attempts, if it is tried again',
            minimum: 1,
            maximum: MOST_ATTEMPTS,
            default: 1,
          },
          result: { type: 'string', title: 'Result, if it is done', maxLength: LONGEST_RESULT },
        },
        required: ['decision'],
      },
    },
  }
}

/** What the form said, as the operation takes it; what does not fit it is refused there. */
function decisionOf({ decision, attempts, result }: JsonObject): Json {
  if (decision === 'retry') return { decision, ...(attempts === undefined ? {} : { attempts }) }
  if (decision === 'done') return { decision, result: result ?? null }
  return { decision: decision ?? null }
}
