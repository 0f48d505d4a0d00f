/** The answer to "what happens if this step fails now", in sentences: for people, and for agents that read MCP. */

interface Told {
  readonly at: string
  readonly becomes: string
  readonly notBefore?: string | undefined
  readonly attempt: number
  readonly attempts: number
  readonly why: string
  readonly creates: readonly { readonly id: string; readonly kind: string }[]
}

export interface WhatIfFacts {
  readonly task: {
    readonly id: string
    readonly kind: string
    readonly capability: string
    readonly state: string
    readonly since: string
    readonly why: string
    readonly owner?: string | undefined
    readonly leaseUntil?: string | undefined
    readonly attempt: number
    readonly attempts: number
  }
  readonly fails?: Told | undefined
  readonly vanishes?: Told | undefined
  readonly takers: readonly { readonly agent: string }[]
  readonly waiting: readonly { readonly id: string }[]
  /** Kinds of the tasks that are created when it is done. */
  readonly follows: readonly string[]
}

const NAMED = 5

export function saysWhatIf(facts: WhatIfFacts): string[] {
  const { task, fails, vanishes, waiting, follows } = facts
  const says = [isNow(facts)]
  if (fails === undefined) {
    if (task.state === 'gate') says.push('A person decides: more attempts, done with a result, or cancelled.')
    else says.push('It has ended and cannot fail any more.')
  } else {
    const who =
      task.state === 'running' ? `${task.owner ?? ''} says now that it failed` : 'its next owner fails'
    says.push(`If ${who}: ${becomes(fails, facts)}.`)
  }
  if (vanishes !== undefined) {
    const end = vanishes.becomes === fails?.becomes ? 'the same' : becomes(vanishes, facts)
    says.push(`If its owner vanishes: ${end} at ${vanishes.at}, or as soon as its registration ends.`)
  }
  if (waiting.length > 0 && task.state !== 'done') {
    says.push(
      `${named(waiting.map(({ id }) => id))} ${waiting.length === 1 ? 'waits' : 'wait'} until it is done; nothing is dropped.`,
    )
  }
  if (follows.length > 0) {
    const when =
      task.state === 'done' ? 'followed when it was done' : 'follows when it is done, and not before'
    says.push(`${named(follows)} ${when}.`)
  }
  return says
}

function isNow({ task }: WhatIfFacts): string {
  const { id, kind, state, since, owner, leaseUntil, attempt, attempts, why } = task
  const what = `${id} (${kind}) is ${state}`
  if (state === 'running') {
    return `${what}: ${owner ?? ''} has it since ${since}, attempt ${attempt} of ${attempts}, lease until ${leaseUntil ?? ''}.`
  }
  return `${what} since ${since}${why === '' ? '' : `: ${why}`}${owner === undefined ? '' : `, by ${owner}`}.`
}

function becomes(told: Told, { task, takers }: WhatIfFacts): string {
  const creates = told.creates.map(({ kind }) => kind)
  const then = creates.length === 0 ? '' : `, and ${named(creates)} is created`
  if (told.becomes === 'gate') return `it goes to a person (${told.why})${then}`
  const from = told.notBefore === undefined ? '' : ` from ${told.notBefore}`
  const owner = task.owner === undefined || task.state !== 'running' ? '' : `, or ${task.owner} again`
  const nobody = `nobody else that is live can ${task.capability}: it waits for an agent that can${owner}`
  const who = takers.length === 0 ? nobody : `${named(takers.map(({ agent }) => agent))} can take it${owner}`
  const isHeld = told.why !== '' && !told.why.startsWith('waits for an agent')
  const held = isHeld ? `, once its upstream can bear it (${told.why})` : ''
  return `attempt ${told.attempt} of ${told.attempts}${from}${held}; ${who}${then}`
}

function named(names: readonly string[]): string {
  const shown = names.slice(0, NAMED)
  const rest = names.length - shown.length
  if (rest > 0) return `${shown.join(', ')} and ${rest} more`
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)!}` : (shown[0] ?? '')
}
