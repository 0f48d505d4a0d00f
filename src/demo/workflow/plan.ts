/** The workflow that the demo plays: research, draft, review, publish; each step follows from the one before. */
import type { Millis } from '../../core/model.ts'

/** What an agent does for a step: calls to an upstream, one after the other. */
export interface Work {
  readonly upstream: 'tools' | 'model'
  readonly path: string
  readonly calls: number
}

export const STEPS = ['research', 'draft', 'review', 'publish'] as const
export type Step = (typeof STEPS)[number]

export const WORK: Readonly<Record<Step, Work>> = {
  research: { upstream: 'tools', path: '/search', calls: 2 },
  draft: { upstream: 'model', path: '/v1/chat/completions', calls: 4 },
  review: { upstream: 'model', path: '/v1/chat/completions', calls: 2 },
  publish: { upstream: 'tools', path: '/publish', calls: 1 },
}

export interface Crew {
  readonly name: string
  /** Its own trade, and one that it can stand in for. */
  readonly can: readonly [Step, Step]
  /** How it speaks to the commons. */
  readonly speaks: 'http' | 'mcp'
}

/** Any one of them can be lost, and each step has somebody left who can do it. */
export const CREW: readonly Crew[] = [
  { name: 'ann', can: ['research', 'draft'], speaks: 'http' },
  { name: 'bob', can: ['draft', 'review'], speaks: 'mcp' },
  { name: 'cyd', can: ['review', 'publish'], speaks: 'mcp' },
  { name: 'dan', can: ['publish', 'research'], speaks: 'http' },
]

/** How long an agent may be silent before what it has is somebody else's. */
export const SILENCE_MS: Millis = 2000

/** Creating the first task of it creates the whole workflow: the others follow mechanically. */
export function storyTask(story: string): object {
  const chain = step('research', step('draft', step('review', step('publish'))))
  return {
    ...chain,
    id: story,
    correlationid: story,
    input: { topic: story, text: `find out about ${story}` },
  }
}

function step(kind: Step, onDone?: object): object {
  return {
    kind,
    upstreams: [WORK[kind].upstream],
    leaseMs: SILENCE_MS,
    attempts: 5,
    retryDelayMs: 200,
    output: { type: 'object', required: ['by', 'text'] },
    ...(onDone === undefined ? {} : { onDone: [onDone] }),
  }
}
