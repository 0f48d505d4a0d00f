/**
 * What an upstream's answers teach: how slow and how sound it is, whether its calls are tried again, what is left of a
 * quota, and whether a probe or a ramp went well.
 */
import type { Admission } from './admit/admission.ts'
import type { Advice, CallSlot, Mark, Millis, Settlement } from './model.ts'
import type { LineageTracker } from './observe/lineage.ts'
import type { OpenCall } from './observe/open-calls.ts'
import type { QuotaKnowledge } from './observe/quota.ts'
import type { UpstreamNews } from './upstream-news.ts'
import type { UpstreamState } from './upstream-state.ts'

/** One for all: most marks have nothing to advise. */
export const NO_ADVICE: Advice = { slotAt: 0 }
const DROPPED = new Set([429, 503, 529])

type Head = Extract<Mark, { kind: 'head' }>

export class Lessons {
  readonly #admission: Admission
  readonly #lineage: LineageTracker
  readonly #quota: QuotaKnowledge
  readonly #news: readonly UpstreamNews[]

  /** @param parts `news` by upstream index */
  constructor(parts: {
    admission: Admission
    lineage: LineageTracker
    quota: QuotaKnowledge
    news: readonly UpstreamNews[]
  }) {
    this.#admission = parts.admission
    this.#lineage = parts.lineage
    this.#quota = parts.quota
    this.#news = parts.news
  }

  /** The head of an answer. Advises when the caller of a lost call is to come back. */
  head(mark: Head, call: OpenCall, state: UpstreamState, at: Millis): Advice {
    call.headAt = at
    call.status = mark.status
    call.streaming = mark.streaming
    if (call.streaming && !call.longLived) firstByte(call, state, mark.status < 400, at)
    call.adviceMs = mark.retryAfterMs
    if (mark.quota !== undefined || mark.retryAfterMs > 0) this.#quotaOf(mark, call, at)
    if (!DROPPED.has(mark.status) || !call.governed) return NO_ADVICE
    const slotAt = this.#admission.promise(
      call,
      state,
      at,
      mark.retryAfterMs > 0 ? at + mark.retryAfterMs : at,
    )
    call.adviceMs = slotAt - at
    return { slotAt }
  }

  /** A piece of a stream: what lies between two of them is judged like an answer. */
  chunk(call: OpenCall, state: UpstreamState, at: Millis): void {
    if (call.lastChunkAt > 0) state.drift.gap(call.stratum, at - call.lastChunkAt, at)
    call.lastChunkAt = at
  }

  /** The end of an upstream attempt. */
  settled(settlement: Settlement, call: OpenCall, state: UpstreamState, at: Millis): void {
    const started = startOf(call)
    switch (settlement.kind) {
      case 'success': {
        const latency = (call.streaming && call.headAt > 0 ? call.headAt : at) - started
        if (!call.longLived) {
          if (!call.streaming) state.drift.sample(call.stratum, latency, at, call.prepaid)
          state.tally.durations.record(latency)
        }
        state.drift.outcome(0, at)
        state.answered(call.stratum, latency, started, at)
        state.budget.success()
        this.#lineage.settledOk(call.fingerprint, at)
        this.#released(settlement.call, call, state, true, latency, at)
        break
      }
      case 'dropped':
        state.drift.outcome(1, at)
        state.lost(started, at)
        state.storm.failure(call.isRetry, at)
        this.#lineage.failed(call, settlement.status, call.adviceMs, at)
        this.#released(settlement.call, call, state, false, 0, at)
        break
      case 'failure':
        state.drift.outcome(1, at)
        state.failed(started, at, settlement.status === 0)
        state.storm.failure(call.isRetry, at)
        this.#lineage.failed(call, settlement.status, call.adviceMs, at)
        this.#released(settlement.call, call, state, false, 0, at)
        break
      case 'cancelled':
        // A client that leaves before any answer is the earliest sign before errors (algorithms.md 3(1)).
        if (call.headAt === 0 && call.sentAt > 0) {
          state.drift.outcome(0.5, at)
          this.#lineage.failed(call, 0, -1, at)
        }
        if (call.probe) state.release.probeEnded(settlement.call, undefined, at)
        break
      case 'ignored':
        if (call.probe) state.release.probeEnded(settlement.call, true, at)
        break
    }
  }

  #quotaOf(mark: Head, call: OpenCall, at: Millis): void {
    const blockedBefore = this.#quota.blockedUntil(call.credential, at)
    this.#quota.observe(call.credential, mark.quota, mark.retryAfterMs, mark.status, at)
    const blocked = this.#quota.blockedUntil(call.credential, at)
    if (blocked > blockedBefore) {
      this.#news[call.upstream]?.told('quota-learned', at, { status: mark.status, blockedMs: blocked - at })
    }
  }

  #released(
    slot: CallSlot,
    call: OpenCall,
    state: UpstreamState,
    ok: boolean,
    latency: Millis,
    at: Millis,
  ): void {
    // What a probe took, alone at the upstream, is what a call takes there now: slower than ever is well enough.
    if (call.probe && !ok) this.#news[state.index]?.told('probe-failed', at, { status: call.status })
    if (call.probe) return state.release.probeEnded(slot, ok, at, latency)
    if (state.release.phase !== 'ramping' && !state.member.fleet.joined) return
    const healthy = state.drift.healthyQ(0.95)
    const latencyOk = healthy === 0 || latency <= 1.5 * Math.max(healthy, state.release.probeMs)
    if (ok) state.member.ramped(!latencyOk, call.sentAt)
    state.release.outcome(ok, latencyOk, at, DROPPED.has(call.status), call.sentAt)
  }
}

/** A stream is judged by its first byte, as soon as that is there and among calls that stream. */
function firstByte(call: OpenCall, state: UpstreamState, ok: boolean, at: Millis): void {
  call.stratum = state.drift.streamed(call.stratum, call.prepaid)
  if (ok) state.drift.sample(call.stratum, at - startOf(call), at, call.prepaid)
}

function startOf(call: OpenCall): Millis {
  return call.sentAt > 0 ? call.sentAt : call.arrivedAt
}
