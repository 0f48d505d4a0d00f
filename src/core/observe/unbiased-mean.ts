/**
 * An exponential mean that is right from its first value on. One that starts at nothing is too low by the weight that
 * it has not given out yet (the bias correction of Adam, Kingma and Ba 2015): a limit taken from the first ten seconds
 * of an upstream would be a third too small.
 */
export class UnbiasedMean {
  #sum = 0
  #weight = 0

  get value(): number {
    return this.#weight === 0 ? 0 : this.#sum / this.#weight
  }

  add(value: number, share: number): void {
    this.#sum += (value - this.#sum) * share
    this.#weight += (1 - this.#weight) * share
  }
}
