/** Places of those who wait for something: streams and long polls. Counted in all and by agent. */
import { Refused } from '../refused.ts'

export class Places {
  readonly #most: number
  readonly #mostOfOne: number
  readonly #taken = new Map<string, number>()
  #all = 0

  constructor(most: number, mostOfOne: number) {
    this.#most = most
    this.#mostOfOne = mostOfOne
  }

  get taken(): number {
    return this.#all
  }

  /** Answers how to give it back, once. @throws Refused `too-many` */
  take(agent: string): () => void {
    const own = this.#taken.get(agent) ?? 0
    if (own >= this.#mostOfOne) throw tooMany(`${agent} waits ${own} times at once`, this.#mostOfOne)
    if (this.#all >= this.#most) throw tooMany(`${this.#all} wait at once`, this.#most)
    this.#taken.set(agent, own + 1)
    this.#all += 1
    let isBack = false
    return () => {
      if (isBack) return
      isBack = true
      this.#all -= 1
      const left = (this.#taken.get(agent) ?? 1) - 1
      if (left === 0) this.#taken.delete(agent)
      else this.#taken.set(agent, left)
    }
  }
}

function tooMany(found: string, most: number): Refused {
  const fault = {
    where: 'streams and long polls',
    found,
    allowed: `at most ${most}; end one, or wait shorter`,
  }
  return new Refused('too-many', `${found}; at most ${most} are allowed`, [fault])
}
