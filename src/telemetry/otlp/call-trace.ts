/**
 * What is kept of a traced call from its end until its export. The type is the guarantee: ids that Weir made or
 * checked, words of closed lists, names from the config, numbers. No header, query, address or path has a place here.
 */
import type { Condition, Millis, Outcome, Reason, Trust, VerdictKind } from '../../core/model.ts'
import type { GenAi } from './gen-ai.ts'

/** What a well formed `traceparent` says. */
export interface TraceParent {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly sampled: boolean
}

/** Where the spans of a call belong. */
export interface TraceContext {
  readonly traceId: string
  /** The caller's span; '' = none, the call begins its trace. */
  readonly parentSpanId: string
}

/** An upstream as the config names it. */
export interface TracedUpstream {
  readonly name: string
  readonly host: string
  readonly port: number
  /** Origin and base path, without a last slash. */
  readonly base: string
  /** The base path alone. */
  readonly basePath: string
}

export interface TracedAttempt {
  /** Wall clock. */
  readonly startAt: Millis
  /** Of the upstream's answer; 0 = it gave none. */
  readonly status: number
  /** From sent to the answer's head; -1 = it never came. */
  readonly firstByteMs: Millis
}

export interface CallTrace {
  readonly context: TraceContext
  /** Wall clock, ms since 1970 with fractions. */
  readonly startAt: Millis
  readonly endAt: Millis
  readonly callId: string
  readonly upstream: TracedUpstream
  readonly agent: string
  readonly trust: Trust
  readonly workflow: string
  readonly method: string
  /** As the access log shows it: plain words only, everything else is `*`. */
  readonly route: string
  readonly genAi: GenAi | undefined
  readonly httpVersion: string
  /** What the client was answered; 0 = nothing. */
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly upgrade: boolean
  readonly outcome: Outcome
  /** Why there was no whole answer, as `weir-problem` says it; '' = there was one, or no attempt. */
  readonly problem: string
  readonly verdict: VerdictKind | ''
  readonly reason: Reason | ''
  /** The rule that decided; '' = none did, or its policy is no longer in force. */
  readonly rule: string
  readonly shadowVerdict: VerdictKind | ''
  readonly shadowReason: Reason | ''
  readonly shadowRule: string
  readonly heldMs: Millis
  /** Proven by a header; 0 = not known. */
  readonly attempt: number
  /** Of the upstream, at the end of the call. */
  readonly condition: Condition
  /** Undefined = nothing was sent upstream. */
  readonly sent: TracedAttempt | undefined
}

/** How many spans it becomes. */
export function spansOf(trace: CallTrace): number {
  return trace.sent === undefined ? 1 : 2
}
