/** What each room of a store holds, against its bounds. A room without bounds is not bounded. */
import { roomOf, type Change, type RoomBounds } from '../store.ts'

export class Usage {
  readonly #bounds: Readonly<Record<string, RoomBounds>>
  readonly #used = new Map<string, { records: number; bytes: number }>()

  constructor(bounds: Readonly<Record<string, RoomBounds>>) {
    this.#bounds = bounds
  }

  /** The first room that these changes would overfill; undefined = all fit. */
  overflow(changes: readonly Change[], valueOf: (key: string) => string | undefined): string | undefined {
    for (const change of changes) {
      if (change.do !== 'put' || change.bounded !== true) continue
      const room = roomOf(change.key)
      const bounds = this.#bounds[room]
      if (bounds === undefined) continue
      const used = this.#used.get(room) ?? { records: 0, bytes: 0 }
      const before = valueOf(change.key)
      const more = change.value.length - (before?.length ?? -change.key.length)
      if (before === undefined && used.records + 1 > bounds.records) return room
      if (more > 0 && used.bytes + more > bounds.bytes) return room
    }
    return undefined
  }

  /** Undefined = not there. Lengths are those of the text in UTF-16 units: a bound, not a bill. */
  change(room: string, key: string, before: string | undefined, after: string | undefined): void {
    let used = this.#used.get(room)
    if (used === undefined) this.#used.set(room, (used = { records: 0, bytes: 0 }))
    if (before !== undefined) {
      used.records -= 1
      used.bytes -= key.length + before.length
    }
    if (after !== undefined) {
      used.records += 1
      used.bytes += key.length + after.length
    }
  }

  read(): Record<string, RoomBounds> {
    return Object.fromEntries([...this.#used].map(([room, used]) => [room, { ...used }]))
  }
}
