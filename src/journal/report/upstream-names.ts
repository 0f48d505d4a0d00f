/** Upstreams by number, in the order in which the journal names them; those past the most share the last number. */
const MOST = 32
export const OTHERS = '(others)'

export class UpstreamNames {
  readonly #numbers = new Map<string, number>()
  readonly #names: string[] = []

  get names(): readonly string[] {
    return this.#names
  }

  of(name: string): number {
    const known = this.#numbers.get(name)
    if (known !== undefined) return known
    if (this.#names.length < MOST) {
      this.#names.push(this.#names.length === MOST - 1 ? OTHERS : name)
      this.#numbers.set(name, this.#names.length - 1)
      return this.#names.length - 1
    }
    return MOST - 1
  }
}
