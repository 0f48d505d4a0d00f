/**
 * What an agent may do: a list of grants. A call is allowed when one grant that names the agent allows all of it:
 * upstream, method and path together. The first that does also bounds its priority and how many of the agent's calls
 * may be open at once. Permissions are for names that were proved; whoever shows nothing is in the group `anonymous`.
 */
import { PRIORITIES, type Priority } from '../core/model.ts'
import { anyOf, compileIdPattern, compilePathPattern } from '../policy/pattern.ts'

/** The group of all who show nothing; it has no names. */
export const ANONYMOUS = 'anonymous'

export interface Grant {
  /** Patterns of names. */
  readonly agents: readonly string[]
  readonly groups: readonly string[]
  /** Patterns of names of upstreams. */
  readonly upstreams: readonly string[]
  /** Undefined = all. */
  readonly methods: readonly string[] | undefined
  /** Patterns as rules have them; undefined = all. */
  readonly paths: readonly string[] | undefined
  /** Patterns of types of events. */
  readonly publish: readonly string[]
  readonly subscribe: readonly string[]
  /** Beginnings of keys. */
  readonly readState: readonly string[]
  readonly writeState: readonly string[]
  /** Patterns of kinds; of a claim, of capabilities. */
  readonly createTasks: readonly string[]
  readonly claimTasks: readonly string[]
  readonly readTasks: readonly string[]
  readonly decideTasks: readonly string[]
  /** Patterns of `event/TYPE` and `state/PREFIX`. */
  readonly writeSchemas: readonly string[]
  /** The most urgent that it may ask for; undefined = any. */
  readonly priority: Priority | undefined
  /** Calls of one agent at once; Infinity = any number. */
  readonly concurrency: number
}

export interface PermissionOptions {
  /** What an agent may do that no grant names. */
  readonly unlisted: 'deny' | 'allow'
  /** Patterns of names by group. */
  readonly groups: Readonly<Record<string, readonly string[]>>
  readonly grants: readonly Grant[]
}

type Test = (text: string) => boolean

interface CompiledGrant {
  readonly names: Test
  readonly isForAnonymous: boolean
  readonly upstream: Test
  readonly method: Test
  readonly path: Test
  readonly actions: Readonly<Record<string, Test>>
  /** Index in `PRIORITIES`. */
  readonly priority: number
  readonly concurrency: number
}

/** What stands in the way of a call; `unlisted` = nothing is given to this agent at all. */
export type Obstacle = 'unlisted' | 'upstream' | 'method' | 'path'

export interface Allowance {
  readonly priority: Priority
  readonly concurrency: number
}

/** An agent's own view of the grants. */
export class AgentPermissions {
  readonly #grants: readonly CompiledGrant[]
  readonly #allowsAll: boolean

  constructor(grants: readonly CompiledGrant[], unlisted: 'deny' | 'allow') {
    this.#grants = grants
    this.#allowsAll = grants.length === 0 && unlisted === 'allow'
  }

  /** What the first fitting grant allows, or what is missing in the one that comes nearest. */
  ofCall(upstream: string, method: string, path: string): Allowance | Obstacle {
    if (this.#allowsAll) return EVERYTHING
    let nearest: Obstacle = this.#grants.length === 0 ? 'unlisted' : 'upstream'
    for (const grant of this.#grants) {
      if (!grant.upstream(upstream)) continue
      if (!grant.method(method)) {
        if (nearest === 'upstream') nearest = 'method'
      } else if (grant.path(path)) {
        return ALLOWANCES.of(grant.priority, grant.concurrency)
      } else nearest = 'path'
    }
    return nearest
  }

  /** @param action as the commons names it; several things in `on` stand with spaces between them */
  ofAction(action: string, on: string): boolean {
    if (this.#allowsAll) return true
    if (this.#grants.length === 0) return false
    // Who is there and how it is doing: for everybody who may do anything.
    if (FOR_ALL.has(action)) return true
    const isAllowed = (thing: string): boolean =>
      this.#grants.some(({ actions }) => actions[action]?.(thing) === true)
    return on.includes(' ') ? on.split(' ').every(isAllowed) : isAllowed(on)
  }
}

/** An agent registers itself only; the registry sees to that. */
const FOR_ALL: ReadonlySet<string> = new Set(['agent.read', 'agent.register', 'upstream.read', 'schema.read'])

const EVERYTHING: Allowance = { priority: PRIORITIES[0], concurrency: Infinity }

/** Allowances are the same few objects: a call makes none. */
const ALLOWANCES = {
  known: new Map<string, Allowance>(),
  of(priority: number, concurrency: number): Allowance {
    if (priority === 0 && concurrency === Infinity) return EVERYTHING
    const key = `${priority} ${concurrency}`
    let found = this.known.get(key)
    if (found === undefined) {
      found = { priority: PRIORITIES[priority] ?? PRIORITIES[0], concurrency }
      this.known.set(key, found)
    }
    return found
  },
}

/** Names in use; beyond these a name is looked up in the grants each time. */
const REMEMBERED = 10_000

export class Permissions {
  readonly #options: PermissionOptions
  readonly #grants: readonly CompiledGrant[]
  readonly #known = new Map<string, AgentPermissions>()
  readonly #anonymous: AgentPermissions
  readonly #named: Test

  constructor(options: PermissionOptions) {
    this.#options = options
    this.#grants = options.grants.map((grant) => compile(grant, options.groups))
    this.#anonymous = new AgentPermissions(
      this.#grants.filter(({ isForAnonymous }) => isForAnonymous),
      options.unlisted,
    )
    const patterns = [
      ...options.grants.flatMap(({ agents }) => agents),
      ...Object.values(options.groups).flat(),
    ].filter((pattern) => pattern !== '*')
    this.#named = patterns.length === 0 ? () => false : anyOf([...new Set(patterns)].map(compileIdPattern))
  }

  /** '' = whoever shows nothing. */
  of(agent: string): AgentPermissions {
    if (agent === '') return this.#anonymous
    const known = this.#known.get(agent)
    if (known !== undefined) return known
    const own = new AgentPermissions(
      this.#grants.filter(({ names }) => names(agent)),
      this.#options.unlisted,
    )
    if (this.#known.size >= REMEMBERED) this.#known.clear()
    this.#known.set(agent, own)
    return own
  }

  /** Whether some grant or group means this very name, and not just everybody. */
  names(agent: string): boolean {
    return this.#named(agent)
  }
}

function compile(grant: Grant, groups: PermissionOptions['groups']): CompiledGrant {
  const members = grant.groups.flatMap((group) => groups[group] ?? [])
  const kinds = (list: readonly string[]): Test => oneOf(list.map(compileIdPattern))
  const beginnings = (list: readonly string[]): Test =>
    oneOf(list.map((prefix) => (prefix === '*' ? () => true : (key: string) => key.startsWith(prefix))))
  return {
    names: kinds([...grant.agents, ...members]),
    isForAnonymous: grant.groups.includes(ANONYMOUS),
    upstream: kinds(grant.upstreams),
    method: grant.methods === undefined ? () => true : kinds(grant.methods),
    path: grant.paths === undefined ? () => true : oneOf(grant.paths.map(compilePathPattern)),
    actions: {
      'event.publish': kinds(grant.publish),
      'event.subscribe': kinds(grant.subscribe),
      'state.read': beginnings(grant.readState),
      'state.write': beginnings(grant.writeState),
      'task.create': kinds(grant.createTasks),
      'task.claim': kinds(grant.claimTasks),
      'task.read': kinds(grant.readTasks),
      'task.decide': kinds(grant.decideTasks),
      'schema.write': kinds(grant.writeSchemas),
    },
    priority: grant.priority === undefined ? 0 : PRIORITIES.indexOf(grant.priority),
    concurrency: grant.concurrency,
  }
}

function oneOf(tests: readonly Test[]): Test {
  return tests.length === 0 ? () => false : anyOf(tests)
}
