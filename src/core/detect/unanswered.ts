/**
 * Calls still in flight that crossed the healthy q90 are evidence already (algorithms.md 3(1)): an upstream that hangs
 * answers nothing that could be judged.
 */
import type { Millis } from '../model.ts'
import type { InFlight } from '../observe/in-flight.ts'
import type { OpenCall, OpenCalls } from '../observe/open-calls.ts'
import type { UpstreamState } from '../upstream-state.ts'

/** Scores what is open at one upstream, before each beat of it. */
export function scoreUnanswered(state: UpstreamState, calls: OpenCalls, lists: InFlight, now: Millis): void {
  state.overdue = 0
  state.strayed = 0
  state.overdueAt = Infinity
  const strayMs = state.strayMs
  for (let slot = lists.first(state.index); slot !== -1; slot = lists.after(slot)) {
    const call = calls.get(slot)!
    if (call.sentAt <= state.shutAt && state.stuck > 0) continue
    if (call.sentAt === 0) continue
    if (call.streaming) {
      lookForSilence(call, state, now)
      continue
    }
    if (!call.prepaid && !state.drift.overdue(call.stratum, now - call.sentAt)) {
      state.overdueAt = Math.min(state.overdueAt, call.sentAt + state.drift.overdueAfter(call.stratum))
      continue
    }
    if (now - call.sentAt > strayMs) state.strayed += 1
    state.overdue += 1
    if (call.prepaid) continue
    call.prepaid = true
    state.drift.prepay(call.stratum)
  }
}

/** A silence that lasts counts before it ends; then not again. */
function lookForSilence(call: OpenCall, state: UpstreamState, now: Millis): void {
  const silence = now - call.lastChunkAt
  if (call.lastChunkAt === 0 || !state.drift.silent(call.stratum, silence)) return
  state.drift.gap(call.stratum, silence, now)
  call.lastChunkAt = 0
}
