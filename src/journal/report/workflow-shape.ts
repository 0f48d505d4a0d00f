/**
 * What one workflow looked like: how many calls, how many at once, which agent called for which, and in what steps.
 *
 * A step is a generation of the core's (`observe/generations.ts`): what arrives while the calls before are being
 * answered. One caller in sequence makes steps of one call, a fan-out of eight a step of eight.
 */
import type { Millis } from '../../core/model.ts'
import type { CallLine } from '../line.ts'
import { FOR_NOTHING, fateOf } from './call-fate.ts'

/** Named apart; past them agents are folded by parent, steps into the last one, routes into one. */
const MOST_AGENTS = 128
const MOST_STEPS = 16
const MOST_ROUTES = 4
const MOST_DEPTH = 32
const MOST_FOLDED = 1024

export interface TreeNode {
  readonly name: string
  /** Agents that this node stands for; absent = one, or it is no agent. */
  readonly agents?: number
  readonly calls: number
  readonly retries: number
  readonly forNothing: number
  /** Most calls in flight at once; absent = not known apart. */
  readonly width?: number
  readonly children: readonly TreeNode[]
}

export interface WorkflowFindings {
  readonly workflow: string
  /** No id was on the wire: what one agent did without a pause. */
  readonly inferred: boolean
  readonly agents: number
  readonly calls: number
  readonly retries: number
  readonly forNothing: number
  readonly width: number
  /** Levels of agents; 1 = none named a parent. */
  readonly depth: number
  readonly steps: number
  /** ms since the epoch. */
  readonly fromMs: Millis
  readonly toMs: Millis
  readonly by: 'agents' | 'steps'
  readonly tree: readonly TreeNode[]
}

interface AgentNode {
  readonly parent: string
  readonly depth: number
  agents: number
  calls: number
  retries: number
  forNothing: number
  open: number
  width: number
}

interface Step {
  calls: number
  retries: number
  forNothing: number
  /** Side by side: a map for each step of thousands of workflows would be most of the memory. */
  readonly routes: string[]
  readonly routeCalls: number[]
}

export class WorkflowShape {
  readonly name: string
  readonly inferred: boolean
  readonly fromMs: Millis
  /** Latest arrival or end on the ordered clock. */
  lastAt: Millis = 0
  toMs: Millis
  calls = 0
  retries = 0
  forNothing = 0
  open = 0
  width = 0
  depth = 1
  steps = 0
  closed = false
  #agentsSeen = 0
  readonly #agents = new Map<string, AgentNode>()
  #folded: Set<string> | undefined
  readonly #steps: Step[] = []
  #arrived = 0
  #remaining = 0

  /** @param at of the first arrival, ms since the epoch */
  constructor(name: string, inferred: boolean, at: Millis) {
    this.name = name
    this.inferred = inferred
    this.fromMs = at
    this.toMs = at
  }

  /** Returns the step that the call belongs to, for its end. */
  arrive(line: CallLine, isRetry: boolean): number {
    this.open += 1
    if (this.open > this.width) this.width = this.open
    if (isRetry) this.retries += 1
    else this.calls += 1
    const agent = this.#agent(line)
    agent.open += 1
    if (agent.open > agent.width) agent.width = agent.open
    if (isRetry) agent.retries += 1
    else agent.calls += 1
    if (!isRetry && this.#arrived === 0) this.#begin()
    if (!isRetry) this.#arrived += 1
    const step = this.#steps.at(-1)
    if (step === undefined) return -1
    if (isRetry) step.retries += 1
    else step.calls += 1
    if (!isRetry) countRoute(step, `${line.method} ${line.route}`)
    return this.#steps.length - 1
  }

  /** @param step what its arrival returned; @param endedAt ms since the epoch */
  end(line: CallLine, step: number, endedAt: Millis): void {
    this.open = Math.max(0, this.open - 1)
    if (endedAt > this.toMs) this.toMs = endedAt
    const agent = this.#agent(line, true)
    agent.open = Math.max(0, agent.open - 1)
    if (FOR_NOTHING.has(fateOf(line))) {
      this.forNothing += 1
      agent.forNothing += 1
      const own = this.#steps[step]
      if (own !== undefined) own.forNothing += 1
    }
    if (this.#remaining > 0) {
      this.#remaining -= 1
      return
    }
    this.#remaining = this.open
    this.#arrived = 0
  }

  findings(): WorkflowFindings {
    const by = this.#agentsSeen > 1 ? 'agents' : 'steps'
    return {
      workflow: this.name,
      inferred: this.inferred,
      agents: this.#agentsSeen,
      calls: this.calls,
      retries: this.retries,
      forNothing: this.forNothing,
      width: this.width,
      depth: this.depth,
      steps: this.steps,
      fromMs: this.fromMs,
      toMs: this.toMs,
      by,
      tree: by === 'agents' ? this.#agentTree('', 1) : this.#stepTree(),
    }
  }

  /** The node of a caller; those past the most share one per parent. */
  #agent(line: CallLine, isEnd = false): AgentNode {
    const known = this.#agents.get(line.agent)
    if (known !== undefined) return known
    const above =
      line.parent === undefined || line.parent === line.agent ? undefined : this.#agents.get(line.parent)
    const parent = above === undefined ? '' : line.parent!
    const depth = Math.min(MOST_DEPTH, (above?.depth ?? 0) + 1)
    if (depth > this.depth) this.depth = depth
    const isOwn = this.#agents.size < MOST_AGENTS
    // No identifier holds a space, so this is nobody's name.
    const key = isOwn ? line.agent : ` ${parent}`
    let node = this.#agents.get(key)
    if (node === undefined) {
      node = { parent, depth, agents: 0, calls: 0, retries: 0, forNothing: 0, open: 0, width: 0 }
      this.#agents.set(key, node)
    }
    if (!isEnd && (isOwn || this.#isNew(line.agent))) {
      node.agents += 1
      this.#agentsSeen += 1
    }
    return node
  }

  /** Of those without a node of their own; past the most they are counted as known. */
  #isNew(agent: string): boolean {
    this.#folded ??= new Set()
    if (this.#folded.size >= MOST_FOLDED || this.#folded.has(agent)) return false
    this.#folded.add(agent)
    return true
  }

  #begin(): void {
    this.steps += 1
    if (this.#steps.length < MOST_STEPS) {
      this.#steps.push({ calls: 0, retries: 0, forNothing: 0, routes: [], routeCalls: [] })
    }
  }

  #agentTree(parent: string, level: number): TreeNode[] {
    const nodes: TreeNode[] = []
    for (const [name, node] of this.#agents) {
      if (node.parent !== parent || level > MOST_DEPTH) continue
      const isShared = name.startsWith(' ')
      nodes.push({
        name: isShared ? '' : name,
        ...(node.agents > 1 ? { agents: node.agents } : {}),
        calls: node.calls,
        retries: node.retries,
        forNothing: node.forNothing,
        width: node.width,
        children: isShared ? [] : this.#agentTree(name, level + 1),
      })
    }
    return nodes.toSorted((a, b) => b.calls - a.calls)
  }

  #stepTree(): TreeNode[] {
    return this.#steps.map((step, index) => ({
      name:
        index === MOST_STEPS - 1 && this.steps > MOST_STEPS ? `${MOST_STEPS} and later` : String(index + 1),
      calls: step.calls,
      retries: step.retries,
      forNothing: step.forNothing,
      children: step.routes
        .map((name, route) => ({
          name,
          calls: step.routeCalls[route]!,
          retries: 0,
          forNothing: 0,
          children: [],
        }))
        .toSorted((a, b) => b.calls - a.calls),
    }))
  }
}

function countRoute(step: Step, name: string): void {
  let route = step.routes.indexOf(name)
  if (route === -1 && step.routes.length >= MOST_ROUTES) route = step.routes.indexOf('')
  if (route === -1) route = step.routes.push(step.routes.length >= MOST_ROUTES ? '' : name) - 1
  step.routeCalls[route] = (step.routeCalls[route] ?? 0) + 1
}
