/** What an argument of a prompt, or of an address of a resource, may be: names that there are now, by their beginning. */
import { demand } from '../caller.ts'
import { Refused } from '../refused.ts'
import { PROMPT_OFFERS } from './prompts.ts'
import { RESOURCES, type CallContext } from './tools.ts'

export interface Completion {
  readonly values: string[]
  readonly total: number
  readonly hasMore: boolean
}

export interface CompletionAsked {
  readonly ref:
    | { readonly type: 'ref/prompt'; readonly name: string }
    | { readonly type: 'ref/resource'; readonly uri: string }
  readonly argument: { readonly name: string; readonly value: string }
}

/** As many as one answer may hold (MCP, completion). */
const MOST = 100
/** Looked through for a beginning; of each state of a task. */
const LOOKED_AT = 1000
/** Those that somebody may still be asked about. */
const OPEN = ['gate', 'ready', 'running', 'parked', 'blocked'] as const

type Source = (context: CallContext) => Promise<readonly string[]>

/** By the name of the argument, which means the same in each prompt and address. */
const SOURCES: Readonly<Record<string, Source>> = {
  async agent({ commons, caller }) {
    const agents = await commons.registry.find(caller, { after: '', most: LOOKED_AT })
    return agents.map(({ agent }) => agent)
  },
  async capability({ commons, caller }) {
    const agents = await commons.registry.find(caller, { after: '', most: LOOKED_AT, live: true })
    return agents.flatMap(({ capabilities }) => capabilities.map(({ name }) => name))
  },
  async id({ commons, caller }) {
    const tasks = await Promise.all(OPEN.map((state) => commons.tasks.inState(caller, state, LOOKED_AT)))
    return tasks.flat().map(({ id }) => id)
  },
  async upstream({ commons, caller }) {
    demand(commons.may, caller, { do: 'upstream.read', on: '*' })
    return commons.upstreams
  },
}

/** What a caller may not read is not completed either. @throws Refused `unknown` when there is nothing of that name */
export async function complete(
  { ref, argument }: CompletionAsked,
  context: CallContext,
): Promise<Completion> {
  if (!isKnown(ref)) throw new Refused('unknown', 'there is no such prompt or resource')
  const found = await valuesOf(argument.name, context)
  const fitting = [...new Set(found)].filter((value) => value.startsWith(argument.value))
  return { values: fitting.slice(0, MOST), total: fitting.length, hasMore: fitting.length > MOST }
}

async function valuesOf(name: string, context: CallContext): Promise<readonly string[]> {
  const source = Object.hasOwn(SOURCES, name) ? SOURCES[name] : undefined
  try {
    return (await source?.(context)) ?? []
  } catch (error) {
    if (error instanceof Refused && error.why === 'forbidden') return []
    throw error
  }
}

function isKnown(ref: CompletionAsked['ref']): boolean {
  return ref.type === 'ref/prompt'
    ? PROMPT_OFFERS.some(({ name }) => name === ref.name)
    : RESOURCES.some(({ uri }) => uri === ref.uri)
}
