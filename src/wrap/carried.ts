/** What the scope says of a request, as headers: Weir's own words, and a `traceparent` when there is none. */
import { currentScope, traceparentOf, type LogicalCall, type Scope, type Traces } from './scope.ts'

/** Places of one logical call that are told apart. */
const MOST_PLACES = 16

/** A request's headers, whatever holds them; names in lower case. */
export interface HeaderView {
  has(name: string): boolean
}

export interface Carried {
  /** For the upstream and for Weir. */
  readonly trace: readonly (readonly [name: string, value: string])[]
  /** For Weir alone: never to be sent to anybody else. */
  readonly own: readonly (readonly [name: string, value: string])[]
  /** To be told how it went. */
  ended(failed: boolean): void
}

/** What is said of whoever calls outside of every scope. */
export interface Caller {
  readonly agent?: string | undefined
  readonly traces?: Traces | undefined
}

/** What the user says on the request itself is never replaced. @param place of the request, without query */
export function carry(headers: HeaderView, method: string, place: string, caller: Caller): Carried {
  const scope = currentScope()
  const trace = headers.has('traceparent') ? '' : traceparentOf(scope, caller.traces ?? 'workflow')
  const key = `${method} ${place}`
  return {
    trace: trace === '' ? [] : [['traceparent', trace]],
    own: saidBy(scope, caller.agent ?? '', key).filter(([name, value]) => value !== '' && !headers.has(name)),
    ended: (failed) => scope.call !== undefined && note(scope.call, key, failed),
  }
}

function saidBy(scope: Scope, defaultAgent: string, key: string): [name: string, value: string][] {
  const { agent, workflow, parent, priority = '', call } = scope
  const failures = call?.failures.get(key) ?? 0
  return [
    ['weir-agent', agent === '' ? defaultAgent : agent],
    ['weir-workflow', workflow],
    ['weir-parent', parent],
    ['weir-priority', priority],
    ['weir-once', call?.once ?? ''],
    ['weir-attempt', failures === 0 ? '' : String(failures + 1)],
  ]
}

function note({ failures }: LogicalCall, key: string, failed: boolean): void {
  if (!failed) failures.delete(key)
  else if (failures.has(key) || failures.size < MOST_PLACES) failures.set(key, (failures.get(key) ?? 0) + 1)
}
