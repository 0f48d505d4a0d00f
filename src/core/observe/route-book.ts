/** Route templates to small numbers: the first 255 of all upstreams together, the rest share number 0. */
import type { UpstreamIndex } from '../model.ts'

const MOST_ROUTES = 255

export class RouteBook {
  readonly #byUpstream: Map<string, number>[] = []
  readonly #templates: string[] = ['']
  #known = 0

  index(upstream: UpstreamIndex, route: string): number {
    const routes = (this.#byUpstream[upstream] ??= new Map())
    const known = routes.get(route)
    if (known !== undefined) return known
    if (this.#known >= MOST_ROUTES) return 0
    this.#known += 1
    routes.set(route, this.#known)
    this.#templates[this.#known] = route
    return this.#known
  }

  /** The same route at another upstream. */
  counterpart(number: number, upstream: UpstreamIndex): number {
    return number === 0 ? 0 : this.index(upstream, this.#templates[number]!)
  }
}
