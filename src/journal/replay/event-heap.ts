/** Events by time in typed arrays; those of one instant come out as they went in. */
import type { Millis } from '../../core/model.ts'

const FIRST_CAPACITY = 256

export class EventHeap {
  /** Of the event that `pop` gave out last. */
  at: Millis = 0
  ref = -1
  #ats = new Float64Array(FIRST_CAPACITY)
  #numbers = new Float64Array(FIRST_CAPACITY)
  #refs = new Int32Array(FIRST_CAPACITY)
  #size = 0
  #made = 0

  get size(): number {
    return this.#size
  }

  /** Instant of the first event; Infinity = there is none. */
  nextAt(): Millis {
    return this.#size === 0 ? Infinity : this.#ats[0]!
  }

  push(at: Millis, ref: number): void {
    if (this.#size === this.#ats.length) this.#grow()
    const number = this.#made++
    let index = this.#size++
    while (index > 0) {
      const parent = (index - 1) >> 1
      const [above, before] = [this.#ats[parent]!, this.#numbers[parent]!]
      if (above < at || (above === at && before < number)) break
      this.#move(parent, index)
      index = parent
    }
    this.#place(index, at, number, ref)
  }

  /** The first event goes into `at` and `ref`. False = there is none. */
  pop(): boolean {
    if (this.#size === 0) return false
    this.at = this.#ats[0]!
    this.ref = this.#refs[0]!
    const last = --this.#size
    const at = this.#ats[last]!
    const number = this.#numbers[last]!
    const ref = this.#refs[last]!
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= last) break
      if (child + 1 < last && this.#before(child + 1, child)) child += 1
      const [below, after] = [this.#ats[child]!, this.#numbers[child]!]
      if (at < below || (at === below && number < after)) break
      this.#move(child, index)
      index = child
    }
    if (last > 0) this.#place(index, at, number, ref)
    return true
  }

  #before(a: number, b: number): boolean {
    const [one, other] = [this.#ats[a]!, this.#ats[b]!]
    return one < other || (one === other && this.#numbers[a]! < this.#numbers[b]!)
  }

  #move(from: number, to: number): void {
    this.#place(to, this.#ats[from]!, this.#numbers[from]!, this.#refs[from]!)
  }

  #place(index: number, at: Millis, number: number, ref: number): void {
    this.#ats[index] = at
    this.#numbers[index] = number
    this.#refs[index] = ref
  }

  #grow(): void {
    const capacity = this.#ats.length * 2
    const [ats, numbers, refs] = [this.#ats, this.#numbers, this.#refs]
    this.#ats = new Float64Array(capacity)
    this.#numbers = new Float64Array(capacity)
    this.#refs = new Int32Array(capacity)
    this.#ats.set(ats)
    this.#numbers.set(numbers)
    this.#refs.set(refs)
  }
}
