/** Makes the next input from those that were of use so far: bytes torn out, doubled, swapped, spliced, slipped in. */
import type { Random } from '../../src/core/random.ts'

export class Mutator {
  readonly corpus: string[]
  readonly #random: Random
  readonly #words: readonly string[]
  readonly #most: number

  /** @param words what is slipped in; @param most length of the corpus and of an input, beyond which the oldest goes */
  constructor(seeds: readonly string[], words: readonly string[], random: Random, most = 4096) {
    this.corpus = [...seeds]
    this.#words = words
    this.#random = random
    this.#most = most
  }

  next(): string {
    let text = this.#pick(this.corpus)
    const times = 1 + Math.floor(4 * this.#random() ** 2)
    for (let n = 0; n < times; n += 1) text = this.#mutate(text)
    return text.slice(0, 16 * this.#most)
  }

  /** Keeps an input that did something new. The seeds stay. */
  keep(text: string): void {
    if (this.corpus.length >= this.#most) this.corpus.splice(this.#at(this.#most >> 1) + (this.#most >> 1), 1)
    this.corpus.push(text)
  }

  #mutate(text: string): string {
    const from = this.#at(text.length + 1)
    const length = this.#at(Math.min(24, text.length - from + 1))
    const [before, middle, after] = [
      text.slice(0, from),
      text.slice(from, from + length),
      text.slice(from + length),
    ]
    switch (this.#at(8)) {
      case 0:
        return before + after
      case 1:
        return before + middle + middle + after
      case 2:
        return before + this.#pick(this.#words) + middle + after
      case 3:
        return before + this.#pick(this.#words) + after
      case 4:
        return before + String.fromCharCode(this.#at(256)) + middle + after
      case 5:
        return before + middle.toUpperCase() + after
      case 6: {
        const other = this.#pick(this.corpus)
        return before + other.slice(this.#at(other.length + 1))
      }
      default:
        return before + middle.replace(/\d+/, (digits) => this.#number(digits)) + after
    }
  }

  #number(digits: string): string {
    const choices = [
      '0',
      '1',
      '-1',
      '+1',
      '0x1',
      '1e9',
      `${digits}0`,
      '18446744073709551616',
      '4294967296',
      '1.5',
    ]
    return this.#pick(choices)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#at(list.length)]!
  }

  #at(below: number): number {
    return Math.floor(this.#random() * below)
  }
}
