/**
 * Tokens for retries of one upstream. Successes earn `ratio` of a token each (10 %: Google SRE book, "Handling
 * Overload"), a retry spends one, so amplification stays near 1 + ratio however many agents retry together. A
 * first try never needs a token. Time earns `perSecond` so that a quiet upstream can be retried at all.
 */
import type { Millis } from '../model.ts'
import type { RetryBudgetPolicy } from '../policy.ts'

/** Finagle's RetryBudget: what time earns lives ten seconds, so an idle hour does not save up a storm. */
const RESERVE_SECONDS = 10
/** Critical calls may overdraw by this much; what they overdraw is earned back before anyone else retries. */
const OVERDRAFT = 10
const ROUNDING = 1e-9

export class RetryBudget {
  #policy: RetryBudgetPolicy
  #tokens: number
  #part = 1
  #at: Millis

  constructor(policy: RetryBudgetPolicy, at: Millis) {
    this.#policy = policy
    this.#tokens = this.#reserve()
    this.#at = at
  }

  adopt(policy: RetryBudgetPolicy): void {
    this.#policy = policy
    this.#tokens = Math.min(this.#tokens, policy.cap)
  }

  /** Of what time earns, this replica gets such a part: tokens of successes are its own anyway. */
  share(part: number): void {
    this.#part = part
  }

  /** A call succeeded. */
  success(): void {
    this.#tokens = Math.min(this.#policy.cap, this.#tokens + this.#policy.ratio)
  }

  /** Spends `weight` tokens (1; 2 after a timeout, which cost the upstream most); false and nothing spent if short. */
  take(at: Millis, critical: boolean, weight = 1): boolean {
    const left = this.#earn(at) - weight
    if (left < (critical ? -OVERDRAFT : 0) - ROUNDING) return false
    this.#tokens = left
    return true
  }

  /** Undoes a `take`, when the retry was not sent after all. */
  giveBack(weight = 1): void {
    this.#tokens = Math.min(this.#policy.cap, this.#tokens + weight)
  }

  /** Tokens now; below zero while critical retries are overdrawn. Looking changes nothing. */
  tokens(at: Millis): number {
    const earned = (Math.max(0, at - this.#at) / 1000) * this.#part * this.#policy.perSecond
    const reserve = this.#reserve()
    return this.#tokens < reserve ? Math.min(reserve, this.#tokens + earned) : this.#tokens
  }

  #earn(at: Millis): number {
    this.#tokens = this.tokens(at)
    this.#at = Math.max(this.#at, at)
    return this.#tokens
  }

  #reserve(): number {
    return Math.min(this.#policy.cap, RESERVE_SECONDS * this.#part * this.#policy.perSecond)
  }
}
