/** What one way of deciding did to the calls of a journal: a row per upstream and rule, and totals per upstream. */
import { LatencyHistogram } from '../../core/observe/latency-histogram.ts'
import type { Millis, Reason, VerdictKind } from '../../core/model.ts'

/** How a touched call went on. */
export type Ending = 'released' | 'expired' | 'left'

/** One rule at one upstream; '' = no rule decided: a cap of a workflow, or Weir's own condition. */
export class RuleTally {
  readonly upstream: string
  readonly rule: string
  readonly mode: 'enforce' | 'shadow'
  held = 0
  /** Refused, and asked back at an instant of its own. */
  slotted = 0
  /** Refused for good. */
  shed = 0
  deferred = 0
  released = 0
  expired = 0
  left = 0
  critical = 0
  /** While the upstream was healthy, or only watched. */
  whileHealthy = 0
  /** Attempts of the journal that were not made, and those of them that had failed. */
  spared = 0
  sparedFailures = 0
  readonly waits = new LatencyHistogram()

  constructor(upstream: string, rule: string, mode: 'enforce' | 'shadow') {
    this.upstream = upstream
    this.rule = rule
    this.mode = mode
  }

  touch(kind: VerdictKind, isFinal: boolean, isCritical: boolean, isHealthy: boolean): void {
    if (kind === 'hold') this.held += 1
    else if (kind === 'defer') this.deferred += 1
    else if (isFinal) this.shed += 1
    else this.slotted += 1
    if (isCritical) this.critical += 1
    if (isHealthy) this.whileHealthy += 1
  }

  waited(ending: Ending, ms: Millis): void {
    this[ending] += 1
    this.waits.record(ms)
  }

  add(other: RuleTally): void {
    for (const key of COUNTS) this[key] += other[key]
    this.waits.add(other.waits)
  }
}

const COUNTS = [
  'held',
  'slotted',
  'shed',
  'deferred',
  'released',
  'expired',
  'left',
  'critical',
  'whileHealthy',
  'spared',
  'sparedFailures',
] as const

export interface UpstreamTally {
  readonly upstream: string
  calls: number
  passed: number
  /** Attempts at the upstream. */
  attempts: number
  /** Those of them that failed, or that the upstream refused. */
  failures: number
  /** Never sent in the journal, and sent here: what the upstream answers is an estimate. */
  estimated: number
  /** Sent at another instant than in the journal: its times are moved as a whole. */
  moved: number
}

const UPSTREAM_COUNTS = ['calls', 'passed', 'attempts', 'failures', 'estimated', 'moved'] as const

function emptyUpstream(upstream: string): UpstreamTally {
  return { upstream, calls: 0, passed: 0, attempts: 0, failures: 0, estimated: 0, moved: 0 }
}

export class Tally {
  readonly upstreams: UpstreamTally[]
  readonly #names: string[]
  readonly #rules: RuleTally[] = []
  readonly #byUpstream: Readonly<Record<'enforce' | 'shadow', Map<string, RuleTally>>>[] = []

  /** @param names of the upstreams, by the index that the methods take */
  constructor(names: readonly string[]) {
    this.#names = [...names]
    this.upstreams = names.map(emptyUpstream)
  }

  upstream(index: number): UpstreamTally {
    return this.upstreams[index]!
  }

  /** Takes in the counts of another run, whose upstreams may be others. */
  add(other: Tally): void {
    for (const from of other.upstreams) {
      const to = this.upstream(this.#indexOf(from.upstream))
      for (const key of UPSTREAM_COUNTS) to[key] += from[key]
    }
    for (const from of other.#rules) {
      this.rule(this.#indexOf(from.upstream), from.rule, from.mode).add(from)
    }
  }

  #indexOf(name: string): number {
    const known = this.#names.indexOf(name)
    if (known !== -1) return known
    this.upstreams.push(emptyUpstream(name))
    return this.#names.push(name) - 1
  }

  rule(upstream: number, rule: string, mode: 'enforce' | 'shadow'): RuleTally {
    const rules = (this.#byUpstream[upstream] ??= { enforce: new Map(), shadow: new Map() })[mode]
    let known = rules.get(rule)
    if (known === undefined) {
      known = new RuleTally(this.#names[upstream] ?? '', rule, mode)
      rules.set(rule, known)
      this.#rules.push(known)
    }
    return known
  }

  /** What all rules that act did at each upstream; named `*`. */
  get totals(): readonly RuleTally[] {
    return this.#names.map((name) => {
      const total = new RuleTally(name, '*', 'enforce')
      for (const rule of this.#rules) {
        if (rule.upstream === name && rule.mode === 'enforce') total.add(rule)
      }
      return total
    })
  }

  /** By upstream, what is in force first, then by what they touched. */
  get rules(): readonly RuleTally[] {
    return this.#rules.toSorted(
      (a, b) =>
        this.#names.indexOf(a.upstream) - this.#names.indexOf(b.upstream) ||
        Number(a.mode === 'shadow') - Number(b.mode === 'shadow') ||
        touchedBy(b) - touchedBy(a),
    )
  }
}

export function touchedBy(rule: RuleTally): number {
  return rule.held + rule.slotted + rule.shed + rule.deferred
}

/** Refusals after which nobody is asked back: the journal does not always say it, the reason does. */
const FINAL: ReadonlySet<Reason> = new Set(['forbidden', 'budget'])

export function isFinalReason(reason: Reason): boolean {
  return FINAL.has(reason)
}

/** Conditions in which the core steers nothing (see `core/detect/condition.ts`). */
export function isWell(condition: string | undefined): boolean {
  return condition === 'healthy' || condition === 'watch'
}
