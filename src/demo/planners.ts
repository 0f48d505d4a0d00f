/**
 * Agents that send for others: a planner asks leads, every lead asks researchers, all through one upstream. They give
 * the demo's report something to say about fan-out, and are no part of the story's figures.
 */
import type { Millis } from '../core/model.ts'

export interface Planners {
  stop(): void
}

const PLANNERS = 2
const EVERY_MS: Millis = 4000
/** Leads, and researchers of each lead; every third workflow gets out of hand. */
const USUAL = { leads: 2, researchers: 3 }
const RUNAWAY = { leads: 6, researchers: 8 }
const RUNAWAY_EVERY = 3
const TIMEOUT_MS: Millis = 5000

/** @param baseUrl of the upstream as one agent calls it */
export function startPlanners(baseUrl: (agent: string) => string): Planners {
  const stopped = new AbortController()
  const call = async (agent: string, parent: string, workflow: string, path: string): Promise<void> => {
    try {
      const response = await fetch(`${baseUrl(agent)}${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'weir-workflow': workflow,
          ...(parent === '' ? {} : { 'x-parent-session-id': parent }),
        },
        body: '{}',
        signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      })
      await response.arrayBuffer()
    } catch {
      // A researcher that gets no answer is a line in the journal, and that is what it is here for.
    }
  }
  const play = async (planner: string, run: number): Promise<void> => {
    const workflow = `${planner}-run-${run}`
    const { leads, researchers } = run % RUNAWAY_EVERY === 0 ? RUNAWAY : USUAL
    await call(planner, '', workflow, '/plan')
    await each(leads, async (lead) => {
      const name = `lead-${lead}`
      await call(name, planner, workflow, '/outline')
      await each(researchers, (index) => call(`researcher-${lead}-${index}`, name, workflow, '/search'))
    })
  }
  const timers = Array.from({ length: PLANNERS }, (_, index) => {
    let run = 0
    return setInterval(() => void play(`planner-${index + 1}`, ++run), EVERY_MS + 700 * index)
  })
  return {
    stop() {
      for (const timer of timers) clearInterval(timer)
      stopped.abort()
    },
  }
}

function each(count: number, act: (index: number) => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, (_, index) => act(index + 1)))
}
