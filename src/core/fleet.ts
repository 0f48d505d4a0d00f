/**
 * What replicas tell each other of one upstream, as the core sees it: plain numbers, no clock of anybody else's.
 *
 * A summary speaks for one replica alone: what it says of the upstream is what it saw itself, never what it heard, so
 * that two replicas cannot keep each other in a state that nobody observes. Counters either only grow (a receiver takes
 * differences, so a lost summary loses nothing) or describe the last five seconds. Ages count from the arrival at
 * the receiver; clocks of senders are never compared.
 */
import type { Millis, UpstreamIndex } from './model.ts'

export const PHASES = ['open', 'shut', 'ramping'] as const

/** One replica's word on one upstream. Every field is a finite number or a list of whole numbers. */
export interface UpstreamSummary {
  /** Index in `CONDITIONS` of what this replica concludes by itself. */
  readonly condition: number
  /** Index in `PHASES`. */
  readonly phase: number
  readonly inFlight: number
  readonly held: number
  /** Critical calls among the held. */
  readonly critical: number
  readonly overdue: number
  /** Calls that it would have in flight if it could, smoothed, by class in 1/16 of a call. */
  readonly demands: readonly number[]
  /** Answers per second lately, and while healthy. */
  readonly rate: number
  readonly healthyRate: number
  /** Calls in flight that it allows itself; -1 = any number. */
  readonly allowance: number

  /** Drift, since start: calls scored, their normal scores, log2 of their factors over the healthy median. */
  readonly scored: number
  readonly scores: number
  readonly effects: number
  /** Samples that it has learned of the upstream in health, of those that it has not yet forgotten. */
  readonly learned: number
  /** Errors, since start: outcomes, and failures among them by weight. */
  readonly outcomes: number
  readonly failures: number
  /** Failures of calls sent after the last one that was answered was sent. */
  readonly failuresInRow: number

  /** The last five seconds; retries by weight. */
  readonly attempts: number
  readonly retries: number
  readonly failed: number
  readonly recentAttempts: number
  readonly recentRetries: number
  /** Retries per window on an ordinary day, and their share. */
  readonly ordinary: number
  readonly ordinaryShare: number
  /** The agent with the most retries, by hash, and their weight. */
  readonly heaviest: number
  readonly heaviestRetries: number
  /** Sketches of the agents that retry, and of those active in the last half minute: `fleet/sketch.ts`. */
  readonly retrying: readonly number[]
  readonly active: readonly number[]

  /** Times that its own ramp was cut back, since start. */
  readonly aborts: number
  /** Credentials that the upstream locked out, in pairs: keyed hash, ms that are left. */
  readonly blocked: readonly number[]

  /** The steward's word: 0 = not the steward, so the next four say nothing. */
  readonly epoch: number
  readonly version: number
  /** Calls in flight that the whole fleet may have; -1 = any number. */
  readonly total: number
  /** Rate of the staged opening over the healthy rate; -1 = no ramp. */
  readonly fraction: number
  /** Turns over who gets the places that cannot be divided. */
  readonly round: number

  /** What it saw of calls sent under the steward's word `heardEpoch`, `heardVersion`. */
  readonly heardEpoch: number
  readonly heardVersion: number
  /** Answers under its ramp: good ones, and late ones, while the ramp stood at `heardFraction`. */
  readonly heardFraction: number
  readonly fine: number
  readonly late: number
  readonly samples: number
  /** The newest of them as factors over the healthy median, in 1/16 of a power of two. */
  readonly factors: readonly number[]
  readonly losses: number
}

export interface Peer {
  /** Name of the replica, another one after each start. */
  readonly replica: string
  /** When its newest summary arrived here. */
  readonly arrivedAt: Millis
  readonly summary: UpstreamSummary
}

/** What the board said of one upstream. */
export interface FleetView {
  readonly at: Millis
  readonly upstream: UpstreamIndex
  /** Name of this replica. */
  readonly replica: string
  /** The board answers. Without it `peers` is what was last known. */
  readonly linked: boolean
  /** The others, in any order; those gone are left out. */
  readonly peers: readonly Peer[]
  /** Who probes, finds the limit and leads the way back; '' = nobody. The larger epoch is the later one. */
  readonly steward: string
  readonly epoch: number
}

/**
 * One replica's word on who calls, beside its words on upstreams. Ids are hashes of names (`hashId`): two replicas that
 * see the same workflow, or the same key of a limit, call it the same, and names do not travel.
 */
export interface CallersSummary {
  /** The heaviest named workflows, four numbers each: id, calls so far, calls in flight, depth. */
  readonly workflows: readonly number[]
  /**
   * Keys of the operator's limits that matter here, three numbers each: id, what it asks of the limit in `LOAD_UNITS`,
   * calls of it under way where the limit is one of calls at once.
   */
  readonly demands: readonly number[]
  /** Turns over who gets the places that cannot be divided; the steward's counts. */
  readonly round: number
}

export interface CallersPeer {
  readonly replica: string
  /** When its newest summary arrived here. */
  readonly arrivedAt: Millis
  readonly summary: CallersSummary
}

/** What the board said of callers. */
export interface CallersView {
  readonly at: Millis
  /** Name of this replica. */
  readonly replica: string
  /** The board answers. Without it `peers` is what was last known. */
  readonly linked: boolean
  readonly peers: readonly CallersPeer[]
  /** Whose `round` is in force; '' = nobody's. */
  readonly steward: string
}

/** 64 = a key asks for the whole of its limit. */
export const LOAD_UNITS = 64

/** Retries as the others see them, in the last five seconds. */
export interface StormEvidence {
  readonly attempts: number
  readonly retries: number
  readonly failed: number
  readonly recentAttempts: number
  readonly recentRetries: number
  readonly ordinary: number
  readonly ordinaryShare: number
  readonly retrying: readonly number[]
  readonly active: readonly number[]
  /** Weight by agent of those who retry most somewhere. */
  readonly heaviest: ReadonlyMap<number, number>
}

/** How much there is to tell: the board asks more often while there is. */
export type Restlessness = 'quiet' | 'restless' | 'unwell' | 'turning'

/** Whether and how soon to exchange words with the board. */
export interface Outlook {
  readonly restlessness: Restlessness
  /** Would be the steward. */
  readonly claims: boolean
  /** Another number as soon as there is something that the others should know at once. */
  readonly stamp: number
}

/** Ages of what was heard, from its arrival (algorithms.md 3(8)): full weight up to here, none from `GONE_MS` on. */
export const FRESH_MS = 1500
export const GONE_MS = 5000

/** 1 while fresh, then falling to 0. */
export function weightOf(ageMs: Millis): number {
  if (ageMs <= FRESH_MS) return 1
  return Math.max(0, (GONE_MS - ageMs) / (GONE_MS - FRESH_MS))
}

/** A factor over the healthy median as a whole number of 0..255, and back: within 2.2 %. */
export function packFactor(factor: number): number {
  return Math.min(255, Math.max(0, Math.round(16 * Math.log2(Math.max(factor, 1e-3)) + 64)))
}

export function unpackFactor(packed: number): number {
  return 2 ** ((packed - 64) / 16)
}
