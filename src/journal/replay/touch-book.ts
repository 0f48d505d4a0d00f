/** Which rule touched which calls of a playback, and whether their upstream was well then. */
import type { CoreEvent, Millis, UpstreamIndex, Verdict } from '../../core/model.ts'
import type { Policy } from '../../core/policy.ts'
import { isFinalReason, isWell, type Ending, type RuleTally, type Tally } from './tally.ts'

export class TouchBook {
  readonly #policy: Policy
  readonly #tally: Tally
  /** By upstream: the core steers nothing there. */
  readonly #isWell: boolean[]
  /** By upstream and rule: made when first asked for. */
  readonly #acting: RuleTally[] = []
  readonly #watching: RuleTally[] = []

  constructor(policy: Policy, tally: Tally) {
    this.#policy = policy
    this.#tally = tally
    this.#isWell = tally.upstreams.map(() => true)
  }

  announced({ name, upstream, to }: CoreEvent): void {
    if (name === 'condition-changed') this.#isWell[upstream] = isWell(to)
  }

  touched(upstream: UpstreamIndex, verdict: Verdict, isCritical: boolean): void {
    this.#of(this.#acting, 'enforce', upstream, verdict.rule).touch(
      verdict.do,
      verdict.slotAt === 0,
      isCritical,
      this.#isWell[upstream]!,
    )
  }

  /** What a rule in shadow mode would have done; it gives no slots. */
  foreseen(upstream: UpstreamIndex, { do: kind, reason, rule }: Verdict, isCritical: boolean): void {
    if (kind === 'pass') return
    const isFinal = isFinalReason(reason) || (rule >= 0 && this.#policy.rules[rule]?.then.final === true)
    this.#of(this.#watching, 'shadow', upstream, rule).touch(
      kind,
      isFinal,
      isCritical,
      this.#isWell[upstream]!,
    )
  }

  waited(upstream: UpstreamIndex, rule: number, ending: Ending, ms: Millis): void {
    this.#of(this.#acting, 'enforce', upstream, rule).waited(ending, ms)
  }

  /** An attempt of the journal was not made. */
  spared(upstream: UpstreamIndex, rule: number, hadFailed: boolean): void {
    const tally = this.#of(this.#acting, 'enforce', upstream, rule)
    tally.spared += 1
    if (hadFailed) tally.sparedFailures += 1
  }

  #of(known: RuleTally[], mode: 'enforce' | 'shadow', upstream: number, rule: number): RuleTally {
    const index = upstream * (this.#policy.rules.length + 1) + rule + 1
    const made = known[index]
    if (made !== undefined) return made
    const id = rule < 0 ? '' : (this.#policy.rules[rule]?.id ?? '')
    return (known[index] = this.#tally.rule(upstream, id, mode))
  }
}
