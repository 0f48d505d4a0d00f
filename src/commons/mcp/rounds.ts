/**
 * Questions where a server sends no requests (MCP 2026-07-28, multi round-trip requests): the answer to a call is what it
 * needs to know, and the client calls again with that. Between two rounds nothing is kept here: what was answered before
 * goes with the client, sealed, and holds for this caller and this very request, for a while.
 */
import { createHash } from 'node:crypto'
import type { Millis } from '../../core/model.ts'
import type { Caller } from '../caller.ts'
import { isObject, type Json, type JsonObject } from '../json.ts'
import { readBack } from '../read-back.ts'
import { checkedAnswer, type Answers, type Question, type Questions } from './conversation.ts'
import { INVALID_PARAMS, McpFault } from './fault.ts'
import type { Seal } from './seal.ts'

/** Time for a person to answer one round. */
const ROUND_MS: Millis = 900_000
/** Answers of all rounds, as they travel. */
const LARGEST_STATE = 64 * 1024

/** What is sealed. */
interface State {
  readonly agent: string
  readonly trust: string
  readonly request: string
  readonly until: Millis
  readonly answers: Answers
}

interface Round {
  readonly seal: Seal
  readonly caller: Caller
  readonly method: string
  readonly params: JsonObject
  readonly now: Millis
}

/** Not a failure: the call cannot go on before these are answered. */
export class InputRequired extends Error {
  override readonly name = 'InputRequired'
  readonly questions: Questions

  constructor(questions: Questions) {
    super(`needs ${Object.keys(questions).join(', ')}`)
    this.questions = questions
  }
}

export class Rounds {
  readonly #round: Round
  readonly #given: JsonObject
  readonly #before: Answers
  readonly #used: Record<string, JsonObject> = {}

  private constructor(round: Round, given: JsonObject, before: Answers) {
    this.#round = round
    this.#given = given
    this.#before = before
  }

  /** @throws McpFault when the state is not one that was given for this request */
  static async of(round: Round): Promise<Rounds> {
    const given = round.params['inputResponses']
    if (given !== undefined && !isObject(given)) {
      throw new McpFault(INVALID_PARAMS, 'inputResponses is no object')
    }
    const state = round.params['requestState']
    return new Rounds(round, given ?? {}, state === undefined ? {} : await opened(state, round))
  }

  /** @throws InputRequired, or McpFault when an answer is not one */
  answers(questions: Questions): Answers {
    const missing: Record<string, Question> = {}
    const answers: Record<string, JsonObject> = {}
    for (const [name, question] of Object.entries(questions)) {
      const found = own(this.#given, name) ?? own(this.#before, name)
      if (found === undefined) missing[name] = question
      else this.#used[name] = answers[name] = checkedAnswer(name, question, found)
    }
    if (Object.keys(missing).length > 0) throw new InputRequired(missing)
    return answers
  }

  /** The result that asks for the rest. @throws McpFault when the answers so far are too much to carry */
  async wants({ questions }: InputRequired): Promise<object> {
    const { caller, now, seal } = this.#round
    const state: State = {
      agent: caller.agent,
      trust: caller.trust,
      request: digestOf(this.#round),
      until: now + ROUND_MS,
      answers: this.#used,
    }
    const text = JSON.stringify(state)
    if (text.length > LARGEST_STATE) throw new McpFault(INVALID_PARAMS, 'the answers so far are too large')
    return {
      resultType: 'input_required',
      inputRequests: questions,
      requestState: await seal.close(text),
    }
  }
}

async function opened(sealed: Json, round: Round): Promise<Answers> {
  const text = typeof sealed === 'string' && sealed.length <= 2 * LARGEST_STATE ? sealed : ''
  const whole = await round.seal.open(text)
  const state = whole === undefined ? undefined : readBack<State>(whole)
  const { caller, now } = round
  const isOurs =
    state !== undefined &&
    state.agent === caller.agent &&
    state.trust === caller.trust &&
    state.request === digestOf(round) &&
    state.until > now
  if (!isOurs) throw new McpFault(INVALID_PARAMS, 'requestState was not given for this request, or is over')
  return state.answers
}

/** The call without what each round adds. */
function digestOf({ method, params }: Round): string {
  const { name = null, uri = null, arguments: given = null } = params
  return createHash('sha256')
    .update(JSON.stringify([method, name, uri, sorted(given)]))
    .digest('base64url')
}

/** The same for the same content, in whatever order a client writes it. */
function sorted(value: Json): Json {
  if (Array.isArray(value)) return value.map((each: Json) => sorted(each))
  if (!isObject(value)) return value
  const names = Object.keys(value).toSorted()
  return names.map((name) => [name, sorted(value[name] ?? null)])
}

function own(answers: JsonObject, name: string): Json | undefined {
  return Object.hasOwn(answers, name) ? answers[name] : undefined
}
