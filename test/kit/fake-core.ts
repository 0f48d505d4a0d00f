/** A core that passes everything, or whatever a test says, and remembers all that it was told. */
import type { Coordinator } from '../../src/core/coordinator.ts'
import type { Advice, Arrival, Directive, Mark, Outcome, Settlement, Verdict } from '../../src/core/model.ts'
import type { CoreReading } from '../../src/core/reading.ts'

export class FakeCore implements Coordinator {
  readonly arrivals: Arrival[] = []
  readonly marks: Mark[] = []
  readonly settlements: Settlement[] = []
  readonly drains: { at: number; until: number }[] = []
  readonly due: Directive[] = []
  readonly corrections: { upstream: number; happened: Outcome }[] = []
  verdictFor: (arrival: Arrival) => Partial<Verdict> = () => ({})
  advice: Advice = { slotAt: 0 }
  open = 0

  arrive(arrival: Arrival): Verdict {
    this.arrivals.push({ ...arrival })
    const partial = this.verdictFor(arrival)
    const verdict: Verdict = {
      do: 'pass',
      reason: 'healthy',
      rule: -1,
      upstream: arrival.upstream,
      until: 0,
      slotAt: 0,
      shadow: undefined,
      ...partial,
    }
    if (verdict.do === 'pass' || verdict.do === 'hold') this.open += 1
    return verdict
  }

  progress(mark: Mark): Advice {
    this.marks.push({ ...mark })
    return mark.kind === 'head' ? this.advice : { slotAt: 0 }
  }

  settle(settlement: Settlement): void {
    this.open -= 1
    this.settlements.push({ ...settlement })
  }

  notDeferred(upstream: number, happened: Outcome): void {
    this.corrections.push({ upstream, happened })
  }

  tick(): readonly Directive[] {
    return this.due.splice(0)
  }

  wakeAt(): number {
    return this.due.length > 0 ? 0 : Infinity
  }

  adopt(): void {}

  drain(at: number, until: number): void {
    this.drains.push({ at, until })
  }

  pressure(): void {}

  read(now: number): CoreReading {
    return { at: now, open: this.open, upstreams: [], agentsKnown: 0, workflowsKnown: 0 }
  }

  agents(): [] {
    return []
  }

  workflows(): [] {
    return []
  }
}
