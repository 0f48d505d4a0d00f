/**
 * What a false alarm costs: the synthetic upstream (synthetic.ts), healthy all day, behind the whole core with a policy
 * that holds whenever an upstream is not well. Counted are the calls that were held, and those that were shed.
 */
import { createCoordinator, type Coordinator } from '../../src/core/coordinator.ts'
import { seeded } from '../../src/core/random.ts'
import { arrivalOf } from '../../test/kit/core-driver.ts'
import { holdPolicy, policyOf } from '../../test/kit/policy.ts'
import { World } from '../../test/kit/sim/world.ts'
import { round } from './score.ts'
import { gaussian, shapes, type Upstream } from './synthetic.ts'

const MEDIAN_MS = 400
const DAY_SECONDS = 86_400
const AGENTS = 20
const RATES = { rps2: { perSecond: 2, days: 3 }, rps20: { perSecond: 20, days: 0.5 } } as const

export function touched(smoke: boolean): Record<string, Record<string, number>> {
  return Object.fromEntries(
    Object.entries(RATES).map(([name, { perSecond, days }]) => {
      const length = smoke ? 0.02 : days
      const total = { calls: 0, held: 0, shed: 0 }
      for (const [index, shape] of shapes.entries()) {
        const upstream = {
          medianMs: MEDIAN_MS,
          ...shape,
          ratePerSecond: perSecond,
          seed: perSecond * 10 + index,
        }
        const day = new HealthyDay(upstream)
        day.play(length * DAY_SECONDS)
        total.calls += day.calls
        total.held += day.held
        total.shed += day.shed
      }
      const perDay = (count: number): number => round(count / (length * shapes.length))
      return [
        name,
        { callsPerDay: perDay(total.calls), heldPerDay: perDay(total.held), shedPerDay: perDay(total.shed) },
      ]
    }),
  )
}

class HealthyDay {
  calls = 0
  held = 0
  shed = 0
  readonly #upstream: Upstream
  readonly #world = new World()
  readonly #core: Coordinator
  readonly #random
  readonly #normal
  readonly #free: number[] = []
  #slots = 0
  #shared = 0
  #wakesAt = Infinity

  constructor(upstream: Upstream) {
    this.#upstream = upstream
    this.#random = seeded(upstream.seed)
    this.#normal = gaussian(this.#random)
    this.#core = createCoordinator({
      policy: policyOf(holdPolicy()),
      upstreams: ['api'],
      seed: upstream.seed,
    })
  }

  play(seconds: number): void {
    this.#shared = this.#normal() * this.#upstream.noise
    this.#world.after(0, () => this.#drift())
    this.#world.after(0, () => this.#next())
    this.#look()
    this.#world.run(seconds * 1000)
  }

  /** What all calls of a moment share: AR(1), 20 s of memory. */
  #drift(): void {
    const keep = Math.exp(-1 / 20)
    this.#shared = this.#shared * keep + this.#normal() * this.#upstream.noise * Math.sqrt(1 - keep * keep)
    this.#world.after(1000, () => this.#drift())
  }

  #next(): void {
    this.#arrive()
    this.#world.after((-Math.log(1 - this.#random()) * 1000) / this.#upstream.ratePerSecond, () =>
      this.#next(),
    )
  }

  #arrive(): void {
    const call = this.#free.pop() ?? this.#slots++
    this.calls += 1
    const at = this.#world.now
    const facts = {
      at,
      call,
      agent: `agent-${this.calls % AGENTS}`,
      fingerprint: this.calls,
      patienceMs: 60_000,
    }
    const { do: kind } = this.#core.arrive(arrivalOf(facts))
    if (kind === 'pass') this.#send(call)
    else if (kind === 'hold') this.held += 1
    else {
      this.shed += 1
      this.#free.push(call)
    }
    this.#look()
  }

  #send(call: number): void {
    const { medianMs, sigma } = this.#upstream
    const wave = 1 + 0.1 * Math.sin((2 * Math.PI * this.#world.now) / 1000 / DAY_SECONDS)
    const tail = this.#random() < 0.1 ? 5 : 1
    const ms = medianMs * Math.exp(this.#normal() * sigma + this.#shared) * tail * wave
    this.#core.progress({ kind: 'sent', call, at: this.#world.now })
    this.#world.after(ms, () => {
      const ended = { kind: 'success', status: 200, answered: true, bytesIn: 100, bytesOut: 100 } as const
      this.#core.settle({ call, at: this.#world.now, ...ended })
      this.#free.push(call)
      this.#look()
    })
  }

  /** What the core has to say by now. */
  #look(): void {
    if (this.#core.wakeAt() > this.#world.now) return this.#wake()
    for (const directive of this.#core.tick(this.#world.now)) {
      if (directive.do === 'release') this.#send(directive.call)
      else if (directive.do === 'expire') {
        this.shed += 1
        this.#free.push(directive.call)
      }
    }
    this.#wake()
  }

  #wake(): void {
    const at = this.#core.wakeAt()
    if (at === Infinity || (this.#wakesAt <= at && this.#wakesAt > this.#world.now)) return
    this.#wakesAt = at
    this.#world.at(at, () => this.#look())
  }
}
