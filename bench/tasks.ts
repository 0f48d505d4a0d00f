/**
 * Many agents, many tasks, and every fifth task loses an owner: is each task completed once, how long does a lost one
 * wait, and did ever two own one task?
 *
 * The agents live in this process and speak to the room itself, without HTTP, so the figures are those of the tasks
 * and of each store (memory, lmdb on the temporary directory, Redis with two replicas of the room). An agent that is
 * killed stops in the middle of a task and says nothing more; another one starts in its place. Judged by what the agents
 * recorded, not by what the store says: `completedOnceRatio` (tasks with exactly one accepted completion, or at the
 * human gate), `violations` (two owners at one time, fences that did not grow, a second completion) and
 * `reassignSecondsMax` (from the end of the lost lease to the next owner, with at least one agent waiting).
 */
import { type Figures, runTasks } from './tasks/run-tasks.ts'
import { STORES } from './tasks/stores.ts'

const FULL = { agents: 1000, tasks: 10_000, leaseMs: 3000, workMs: 20 }
const SMOKE = { agents: 50, tasks: 200, leaseMs: 300, workMs: 2 }

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const size = options.smoke ? SMOKE : FULL
  const stores: Record<string, Figures> = {}
  for (const [name, open] of Object.entries(STORES)) {
    const opened = await open()
    try {
      stores[name] = await runTasks(opened.stores, size)
    } finally {
      await opened.close()
    }
  }
  const all = Object.values(stores)
  return {
    completedOnceRatio: Math.min(...all.map((one) => one.completedOnceRatio)),
    violations: all.reduce((sum, one) => sum + one.violations, 0),
    reassignSecondsMax: Math.max(...all.map((one) => one.reassignSecondsMax)),
    size,
    stores,
  }
}
