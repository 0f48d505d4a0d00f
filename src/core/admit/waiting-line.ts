/** Calls that wait for somebody to leave a static limit, first come first served per place (see `StaticLimits.placeOf`). */
import type { CallSlot } from '../model.ts'

export class WaitingLine {
  readonly #lines = new Map<number, CallSlot[]>()
  readonly #placeOf = new Map<CallSlot, number>()

  get size(): number {
    return this.#placeOf.size
  }

  join(call: CallSlot, place: number): void {
    this.#placeOf.set(call, place)
    const line = this.#lines.get(place)
    if (line === undefined) this.#lines.set(place, [call])
    else line.push(call)
  }

  leave(call: CallSlot): void {
    const place = this.#placeOf.get(call)
    if (place === undefined) return
    this.#placeOf.delete(call)
    const line = this.#lines.get(place)
    const index = line?.indexOf(call) ?? -1
    if (line === undefined || index < 0) return
    line.splice(index, 1)
    if (line.length === 0) this.#lines.delete(place)
  }

  /** Places at which somebody waits. */
  get places(): readonly number[] {
    return [...this.#lines.keys()]
  }

  /** Who waits at `place`, the first first. */
  at(place: number): readonly CallSlot[] {
    return this.#lines.get(place) ?? []
  }

  /** The first who waits at `place`; -1 = nobody. */
  first(place: number): CallSlot {
    return this.#lines.get(place)?.[0] ?? -1
  }
}
