/**
 * What an upstream would have answered to a call that it never got: a guess from the calls of the same route that
 * ended there last. Of the last fifteen, the kind of ending that most of them had, at the median of their times.
 */
import { SETTLEMENTS, type Millis, type SettlementKind, type UpstreamIndex } from '../../core/model.ts'

/** Enough for a median, few enough to be of the same minutes. */
const LAST = 15
/** Routes are few (folded templates); past this a route shares what is known of its upstream. */
const MOST_ROUTES = 4096

export interface Estimate {
  readonly kind: SettlementKind
  readonly status: number
  readonly answered: boolean
  readonly streaming: boolean
  /** From sent to the head, and to the end; `headMs` -1 = without an answer. */
  readonly headMs: Millis
  readonly endMs: Millis
}

/** Nothing was ever seen of the upstream: an answer at once changes the least. */
const UNKNOWN: Estimate = {
  kind: 'success',
  status: 200,
  answered: true,
  streaming: false,
  headMs: 0,
  endMs: 0,
}

export class Estimator {
  /** By upstream, then by route; '' = all routes of it. */
  readonly #upstreams: Map<string, LastEnds>[] = []
  #routes = 0

  /** A recorded attempt that the upstream, and not its client, ended. Called for every call: allocates nothing. */
  seen(
    upstream: UpstreamIndex,
    route: string,
    kind: SettlementKind,
    status: number,
    answered: boolean,
    streaming: boolean,
    headMs: Millis,
    endMs: Millis,
  ): void {
    const routes = (this.#upstreams[upstream] ??= new Map([['', new LastEnds()]]))
    let last = routes.get(route)
    if (last === undefined) {
      last = this.#routes < MOST_ROUTES ? new LastEnds() : routes.get('')!
      this.#routes += 1
      routes.set(route, last)
    }
    last.keep(kind, status, answered, streaming, headMs, endMs)
    routes.get('')?.keep(kind, status, answered, streaming, headMs, endMs)
  }

  guess(upstream: UpstreamIndex, route: string): Estimate {
    const routes = this.#upstreams[upstream]
    return (routes?.get(route) ?? routes?.get(''))?.middle() ?? UNKNOWN
  }
}

const FIELDS = 6

/** The last ends of one route, flat. */
class LastEnds {
  readonly #fields = new Float64Array(LAST * FIELDS)
  #size = 0
  #next = 0

  keep(
    kind: SettlementKind,
    status: number,
    answered: boolean,
    streaming: boolean,
    headMs: Millis,
    endMs: Millis,
  ): void {
    const fields = this.#fields
    const at = this.#next * FIELDS
    fields[at] = SETTLEMENTS.indexOf(kind)
    fields[at + 1] = status
    fields[at + 2] = answered ? 1 : 0
    fields[at + 3] = streaming ? 1 : 0
    fields[at + 4] = headMs
    fields[at + 5] = endMs
    this.#next = (this.#next + 1) % LAST
    if (this.#size < LAST) this.#size += 1
  }

  middle(): Estimate | undefined {
    const counts = SETTLEMENTS.map(() => 0)
    const ends = Array.from({ length: this.#size }, (_, index) => {
      const [kind = 0, status = 0, answered = 0, streaming = 0, headMs = 0, endMs = 0] =
        this.#fields.subarray(index * FIELDS, (index + 1) * FIELDS)
      counts[kind]! += 1
      return { kind, status, answered: answered === 1, streaming: streaming === 1, headMs, endMs }
    })
    const usual = counts.indexOf(Math.max(...counts))
    const alike = ends.filter(({ kind }) => kind === usual).toSorted((a, b) => a.endMs - b.endMs)
    const end = alike[alike.length >> 1]
    return end === undefined ? undefined : { ...end, kind: SETTLEMENTS[end.kind] ?? 'success' }
  }
}
