/**
 * What becomes of header fields, by name, at the price of one look-up each: a name in the spelling of the wire is
 * folded and judged once, and remembered. Bounded: once a client has sent enough odd names, further ones are judged
 * each time anew.
 */

/** As many spellings as the clients and upstreams of one proxy are likely to have. */
const LEARNT_SPELLINGS = 1024
const LONGEST_LEARNT = 64

export class FieldFates<F> {
  readonly #byName = new Map<string, F>()
  readonly #judge: (lower: string) => F

  /** @param judge what becomes of a name in lower case; always the same for the same name */
  constructor(judge: (lower: string) => F) {
    this.#judge = judge
  }

  of(name: string): F {
    const known = this.#byName.get(name)
    if (known !== undefined) return known
    const fate = this.#judge(name.toLowerCase())
    if (this.#byName.size < LEARNT_SPELLINGS && name.length <= LONGEST_LEARNT) this.#byName.set(name, fate)
    return fate
  }
}
