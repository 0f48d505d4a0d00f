/**
 * The words of the core: what comes in (arrivals, marks, settlements), what goes out (verdicts, advice,
 * directives), and the closed lists that label them everywhere: in headers, logs, metrics and the journal.
 *
 * The core is sans-I/O: every event carries `at`, nothing here can hold a body, a header or a query.
 * It keeps no reference to an object that it is given, so that a caller may reuse one record for every call.
 */

/** Monotonic milliseconds, with fractions; the origin is the caller's and never matters. */
export type Millis = number

/**
 * The number of an open call. Chosen by the caller, unique among calls that are still open, taken from the
 * lowest free numbers: the core indexes its arrays by it. Free again once the call has its outcome.
 */
export type CallSlot = number

/** Dense index of an upstream, in the order of `CoreOptions.upstreams`. */
export type UpstreamIndex = number

/** From the first served to the first shed. */
export const PRIORITIES = ['critical', 'interactive', 'normal', 'batch'] as const
export type Priority = (typeof PRIORITIES)[number]

/** How much an identity may be believed: `verified` by a credential, `claimed` by a header, `derived` by us. */
export type Trust = 'verified' | 'claimed' | 'derived'

/** A rule decides and acts, decides and lets pass, or sleeps. */
export const MODES = ['enforce', 'shadow', 'off'] as const
export type Mode = (typeof MODES)[number]

export const VERDICTS = ['pass', 'hold', 'defer', 'shed'] as const
export type VerdictKind = (typeof VERDICTS)[number]

/** Why a verdict is what it is. Closed: each value is a metric label, a log field and `weir-reason`. */
export const REASONS = [
  'healthy', // nothing in the way
  'exempt', // a rule said: pass, whatever happens
  'under-limit', // the upstream is not well, and there is room
  'slot-kept', // came back at the slot that it was promised
  'probe', // the trial call that finds out whether the upstream is well
  'ramp', // let go on the staged opening
  'recovered', // let go because the upstream is well again
  'drift', // response times or error odds left the healthy distribution
  'storm', // distinct agents retry together
  'saturated', // the discovered limit of the upstream is reached
  'down', // the upstream answers nothing; one probe at a time
  'quota', // the upstream said how much is left, and it is spent
  'retry-budget', // a retry without a token
  'rate-limit', // a policy's rate
  'concurrency-limit', // a policy's concurrency
  'fair-share', // this agent's part is used; others wait
  'fan-out', // the workflow is wider or deeper than its class
  'loop', // the workflow or the agent runs in circles
  'budget', // the workflow's hard budget of calls is spent
  'queue-full', // no room to wait
  'hold-memory', // no memory to wait in
  'deadline', // cannot be answered within the client's own deadline
  'forbidden', // a policy refuses it for good
  'policy', // a rule without a condition said so
  'overload', // Weir itself is short of memory or time
  'draining', // Weir is going away
] as const
export type Reason = (typeof REASONS)[number]

/** How every arrival ends, exactly once: arrivals = outcomes + open calls, at every instant. */
export const OUTCOMES = [
  'passed',
  'passed-after-hold',
  'hold-expired',
  'client-gone',
  'deferred',
  'shed',
  'upstream-error',
] as const
export type Outcome = (typeof OUTCOMES)[number]

/**
 * How an upstream attempt ended. `success`: a sample of speed. `failure`: 5xx, 408, timeout, reset.
 * `dropped`: 429/503/529, a congestion signal. `ignored`: long-lived streams and polls, no sample of anything.
 * `cancelled`: the client left; never the upstream's fault.
 */
export const SETTLEMENTS = ['success', 'failure', 'dropped', 'ignored', 'cancelled'] as const
export type SettlementKind = (typeof SETTLEMENTS)[number]

/** What an upstream is seen as. Order is severity. */
export const CONDITIONS = [
  'healthy',
  'watch',
  'recovering',
  'drifting',
  'storming',
  'degraded',
  'down',
] as const
export type Condition = (typeof CONDITIONS)[number]

/** What a caller (one agent) or a workflow is seen as. */
export const AGENT_CONDITIONS = ['ordinary', 'retrying', 'looping'] as const
export type AgentCondition = (typeof AGENT_CONDITIONS)[number]
export const WORKFLOW_CONDITIONS = [
  'ordinary',
  'wide',
  'amplified',
  'exploding',
  'looping',
  'over-budget',
] as const
export type WorkflowCondition = (typeof WORKFLOW_CONDITIONS)[number]

/** A call seen. Metadata only: the absence of a field for a body or a header is the privacy guarantee. */
export interface Arrival {
  at: Millis
  call: CallSlot
  upstream: UpstreamIndex
  /** Identity of the caller, `[A-Za-z0-9._:-]{1,128}`; made by the caller of the core, never empty. */
  agent: string
  trust: Trust
  /** Trace, session or workflow id; '' = none seen, the core then infers one from agent and idle gap. */
  workflow: string
  /** Parent agent, session or span when the wire has one; '' = none. Gives depth. */
  parent: string
  method: string
  /** Normalised path without query, for rule matching. */
  path: string
  /** Folded path template (`/v1/threads/*`) of bounded variety: latency classes and sequence edges use it. */
  route: string
  /** Content-Length of the request; -1 = chunked or unknown. */
  bytes: number
  priority: Priority
  family: string
  /** How long the client itself waits, from `at`; Infinity = not known. */
  patienceMs: Millis
  /** Header proof of the attempt number: 0 = no proof, 1 = proven first try, n > 1 = proven n-th try. */
  attempt: number
  /** Hash of an id that stays the same on every attempt (invocation id, idempotency key); 0 = none. */
  onceKey: number
  /** Hash of what stays the same on every attempt: agent, user agent, method, path with query, length, type. */
  fingerprint: number
  /** Keyed hash of the upstream credential, for quota knowledge; 0 = none. */
  credential: number
  /** Long polls and subscriptions: out of latency, concurrency and loop statistics. */
  longLived: boolean
  /** The body fits the hold buffer and the client can wait: hold is possible at all. */
  holdable: boolean
  /** The client asked for, or is known to understand, 202. */
  deferrable: boolean
}

/** Something happened to an open call. */
export type Mark =
  | { kind: 'sent'; call: CallSlot; at: Millis }
  | {
      kind: 'head'
      call: CallSlot
      at: Millis
      status: number
      /** The body is an event stream: judged by first byte and gaps, not by length. */
      streaming: boolean
      /** The upstream's own Retry-After in ms; -1 = none. */
      retryAfterMs: Millis
      quota: Quota | undefined
    }
  | { kind: 'chunk'; call: CallSlot; at: Millis }

/** What an upstream said in its headers about what is left, in calls or tokens; the scarcest one wins. */
export interface Quota {
  limit: number
  remaining: number
  /** Milliseconds until it is full again. */
  resetMs: Millis
}

/** What the core says to the head of an upstream's answer. `slotAt` 0: leave the answer's Retry-After alone. */
export interface Advice {
  readonly slotAt: Millis
}

/** An upstream attempt, or a wait for one, that ended. Ends the call. */
export interface Settlement {
  call: CallSlot
  at: Millis
  kind: SettlementKind
  /** Status of the upstream's answer; 0 = it never answered. */
  status: number
  /** The client received a whole answer of the upstream's (else the outcome is `upstream-error`). */
  answered: boolean
  bytesIn: number
  bytesOut: number
}

/** What to do with an arrival. Values of the common passes are shared constants. */
export interface Verdict {
  readonly do: VerdictKind
  readonly reason: Reason
  /** Index of the rule that decided; -1 = none did. */
  readonly rule: number
  /** Where the call goes: the arrival's upstream, or a member of its group with room. */
  readonly upstream: UpstreamIndex
  /** hold: the latest instant at which a directive ends the wait; otherwise 0. */
  readonly until: Millis
  /** shed and defer: the instant at which this one caller is asked back; 0 = never (final). */
  readonly slotAt: Millis
  /** pass: what a rule in shadow mode would have done instead. */
  readonly shadow: Verdict | undefined
}

/** What the core asks for by itself, from `tick`. */
export type Directive =
  | {
      readonly do: 'release'
      readonly call: CallSlot
      readonly reason: Reason
      readonly upstream: UpstreamIndex
    }
  | { readonly do: 'expire'; readonly call: CallSlot; readonly reason: Reason; readonly slotAt: Millis }
  | { readonly do: 'announce'; readonly event: CoreEvent }

/** Events of coordination: for people, logs, the bus and the report. Each says which numbers fired it. */
export const EVENTS = [
  'condition-changed',
  'drift-started',
  'drift-ended',
  'storm-started',
  'storm-ended',
  'agent-looping',
  'workflow-narrowed',
  'probe-started',
  'probe-failed',
  'release-started',
  'release-aborted',
  'release-ended',
  'limit-changed',
  'quota-learned',
] as const
export type EventName = (typeof EVENTS)[number]

export interface CoreEvent {
  readonly name: EventName
  readonly at: Millis
  readonly upstream: UpstreamIndex
  readonly agent?: string
  readonly workflow?: string
  readonly from?: string
  readonly to?: string
  /** The numbers that fired it, by name. */
  readonly readings: Readonly<Record<string, number>>
}
