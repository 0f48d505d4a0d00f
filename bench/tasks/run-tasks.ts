/** One store, a crowd of agents, and what they saw. */
import { setMaxListeners } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCommons, type Commons } from '../../src/commons/commons.ts'
import type { Caller } from '../../src/commons/caller.ts'
import { Refused } from '../../src/commons/refused.ts'
import type { Store } from '../../src/commons/store.ts'
import { seeded } from '../../src/core/random.ts'
import { ownershipFaults, type Ownership } from '../../test/commons/linearizability/checker.ts'

export interface Size {
  readonly agents: number
  readonly tasks: number
  readonly leaseMs: number
  /** What a task takes an agent. */
  readonly workMs: number
}

export interface Figures {
  readonly completedOnceRatio: number
  readonly violations: number
  /** What was violated first, for whoever has to look. */
  readonly firstViolation: string
  readonly reassignSecondsMax: number
  readonly killed: number
  readonly atGate: number
  readonly claims: number
  readonly seconds: number
  readonly completedPerSecond: number
}

const KILLED_SHARE = 0.2
const GIVE_UP_MS = 300_000
const WAIT_MS = 2000
/** Clocks of two replicas of one Redis. */
const CLOCK_MS = 10

export async function runTasks(stores: readonly Store[], size: Size): Promise<Figures> {
  const replicas = stores.map((store) => replica(store))
  for (const each of replicas) await each.start()
  const boss = caller('boss')
  const random = seeded(1)
  const owned: Ownership[] = []
  const completions = new Map<string, number>()
  const ids: string[] = []
  let killed = 0
  const beganAt = performance.now()
  let isOver = false

  async function create(): Promise<void> {
    const { tasks } = replicas[0]!
    for (let from = 0; from < size.tasks; from += 100) {
      const batch = Array.from({ length: Math.min(100, size.tasks - from) }, () =>
        tasks.create(boss, {
          kind: 'job',
          leaseMs: size.leaseMs,
          attempts: 20,
          retryDelayMs: 0,
          input: { from },
        }),
      )
      for (const task of await Promise.all(batch)) ids.push(task.id)
    }
  }

  /** One place among the agents; when its agent is killed, the next one takes it. */
  async function place(index: number): Promise<void> {
    const { dispatcher, tasks, store } = replicas[index % replicas.length]!
    let life = 0
    while (!isOver) {
      const who = caller(`agent-${index}-${life}`)
      const askedAt = store.now()
      const task = await dispatcher.claim(who, ['job'], WAIT_MS, leaving.signal)
      if (task?.state.in !== 'running') continue
      const from = store.now()
      let until = task.state.leaseUntil
      // The first owner of every fifth task dies with it.
      if (task.fence === 1 && random() < KILLED_SHARE) {
        killed += 1
        life += 1
        owned.push({ task: task.id, owner: who.agent, fence: task.fence, askedAt, from, until })
        continue
      }
      await sleep(size.workMs * (0.5 + random()))
      const endingAt = store.now()
      try {
        await tasks.complete(who, task.id, task.fence, { by: who.agent })
        until = Math.min(until, endingAt)
        completions.set(task.id, (completions.get(task.id) ?? 0) + 1)
      } catch (error) {
        if (!(error instanceof Refused)) throw error
      }
      owned.push({ task: task.id, owner: who.agent, fence: task.fence, askedAt, from, until })
      if (completions.size >= size.tasks) finish()
    }
  }

  const leaving = new AbortController()
  setMaxListeners(0, leaving.signal)
  function finish(): void {
    isOver = true
    leaving.abort()
  }

  const limit = setTimeout(finish, GIVE_UP_MS)
  await Promise.all([create(), ...Array.from({ length: size.agents }, (_, index) => place(index))])
  clearTimeout(limit)
  const seconds = (performance.now() - beganAt) / 1000

  let atGate = 0
  let once = 0
  for (const id of ids) {
    const { task } = await replicas[0]!.tasks.at(id)
    const isAtGate = task.state.in === 'gate'
    if (isAtGate) atGate += 1
    if (completions.get(id) === 1 ? task.state.in === 'done' : isAtGate) once += 1
  }
  for (const each of replicas) await each.stop()
  const faults = ownershipFaults(owned, replicas.length > 1 ? CLOCK_MS : 0)
  for (const [id, times] of completions) if (times > 1) faults.push(`${id}: completed ${times} times`)
  return {
    completedOnceRatio: once / size.tasks,
    violations: faults.length,
    firstViolation: faults[0] ?? '',
    reassignSecondsMax: Math.round(longestGap(owned)) / 1000,
    killed,
    atGate,
    claims: owned.length,
    seconds: Math.round(seconds * 10) / 10,
    completedPerSecond: Math.round(completions.size / seconds),
  }
}

function replica(store: Store): Commons {
  return createCommons({
    store,
    upstreams: [],
    canBear: () => undefined,
    flowNames: { upstream: () => ({ name: '', condition: 'healthy' }), agent: () => 'ordinary' },
    onTrouble: (error) => process.stderr.write(`bench: ${String(error)}\n`),
  })
}

/** From the end of a lost ownership to the next one of the same task. */
function longestGap(history: readonly Ownership[]): number {
  const last = new Map<string, Ownership>()
  let longest = 0
  for (const one of [...history].toSorted((a, b) => a.fence - b.fence)) {
    const before = last.get(one.task)
    if (before !== undefined) longest = Math.max(longest, one.from - before.until)
    last.set(one.task, one)
  }
  return longest
}

function caller(agent: string): Caller {
  return { agent, trust: 'claimed', workflow: '' }
}
