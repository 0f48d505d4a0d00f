/**
 * Who calls, carried for the user: whatever runs inside `withAgent` or `withWorkflow`, however deep and however
 * asynchronous, calls in that name. A workflow has one trace; every agent within it is a span of that trace, and every
 * call a span of its own below its agent's.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomBytes } from 'node:crypto'
import type { Priority } from '../core/model.ts'
import { isIdentifier } from '../proxy/identifier.ts'

/** A place in a trace, W3C Trace Context: 16 and 8 bytes in hex. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** The last two digits of a `traceparent`: 01 = sampled. */
  readonly flags: string
}

export interface Scope {
  /** '' = not said, as with the others. */
  readonly agent: string
  readonly workflow: string
  /** The agent that this one works for. */
  readonly parent: string
  readonly priority: Priority | undefined
  /** Undefined = there is no trace yet. */
  readonly span: Span | undefined
  readonly call: LogicalCall | undefined
}

/** One call as the user means it, over all its attempts. */
export interface LogicalCall {
  /** The same on every attempt. */
  readonly once: string
  /** Attempts that failed, by method and place. */
  readonly failures: Map<string, number>
}

const NOBODY: Scope = {
  agent: '',
  workflow: '',
  parent: '',
  priority: undefined,
  span: undefined,
  call: undefined,
}
const scopes = new AsyncLocalStorage<Scope>()

export function currentScope(): Scope {
  return scopes.getStore() ?? NOBODY
}

/**
 * Runs `run` as one agent; within another agent it is that one's child.
 * @param agent 1 to 128 characters of A-Z a-z 0-9 . _ : - @throws TypeError for any other
 */
export function withAgent<T>(agent: string, run: () => T): T {
  const outer = currentScope()
  const parent = outer.agent === '' || outer.agent === agent ? outer.parent : outer.agent
  return scopes.run({ ...outer, agent: named(agent), parent, span: childOf(outer.span) }, run)
}

/** Runs `run` as one run of a workflow, with a trace of its own. @throws TypeError as `withAgent` */
export function withWorkflow<T>(workflow: string, run: () => T): T {
  const outer = currentScope()
  return scopes.run({ ...outer, workflow: named(workflow), parent: '', span: newTrace() }, run)
}

/** Runs `run` in a priority class. */
export function withPriority<T>(priority: Priority, run: () => T): T {
  return scopes.run({ ...currentScope(), priority }, run)
}

/**
 * Runs `run` as one logical call: what is fetched anew in it after a failure is known as a retry, for whichever loop it
 * is that tries again. One call at a time: those that are to go side by side belong into scopes of their own.
 */
export function withCall<T>(run: () => T): T {
  const call = { once: randomBytes(16).toString('hex'), failures: new Map<string, number>() }
  return scopes.run({ ...currentScope(), call }, run)
}

/** What happens in `run` belongs to the trace that came in with a request. A malformed header counts as none. */
export function withTraceparent<T>(traceparent: string, run: () => T): T {
  const span = spanOf(traceparent)
  return span === undefined ? run() : scopes.run({ ...currentScope(), span }, run)
}

function named(id: string): string {
  if (isIdentifier(id)) return id
  throw new TypeError(
    `'${id.slice(0, 140)}' cannot name an agent or a workflow: 1 to 128 characters of A-Z a-z 0-9 . _ : -`,
  )
}

function newTrace(): Span {
  return { traceId: hex(16), spanId: hex(8), flags: '01' }
}

function childOf(span: Span | undefined): Span | undefined {
  return span === undefined ? undefined : { ...span, spanId: hex(8) }
}

/** All zeros mean "none" on the wire, and come once in 2^64. */
function hex(bytes: number): string {
  const text = randomBytes(bytes).toString('hex')
  return /^0*$/.test(text) ? hex(bytes) : text
}

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/

/** W3C Trace Context level 1, 3.2. */
function spanOf(traceparent: string): Span | undefined {
  const parts = TRACEPARENT.exec(traceparent)
  return parts === null ? undefined : { traceId: parts[1]!, spanId: parts[2]!, flags: parts[3]! }
}

/** Which calls get a `traceparent`: those of a workflow or of a trace that came in, or each one. */
export type Traces = 'workflow' | 'always'

/** The header of one call: a span of its own below the scope's; '' = it gets none. */
export function traceparentOf({ span: found }: Scope, traces: Traces): string {
  const span = found ?? (traces === 'always' ? newTrace() : undefined)
  return span === undefined ? '' : `00-${span.traceId}-${hex(8)}-${span.flags}`
}
