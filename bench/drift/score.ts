import type { Alarm, Recording, Span } from './recording.ts'

/**
 * An event is found when an alarm begins inside it; an alarm in a healthy stretch is false, and so is the first in a
 * decoy. `leadSeconds`: median time from the first alarm of an event to its labelled end, over the events found;
 * `leadShare`: the part of an event that was left, over all events, none for a missed one.
 */
export class Score {
  #events = 0
  #found = 0
  #false = 0
  readonly #leads: number[] = []
  #leadShare = 0

  add(recording: Recording, alarms: readonly Alarm[]): void {
    const inside = (span: Span): Alarm | undefined =>
      alarms.find((alarm) => alarm.second > span.from && alarm.second <= span.to)
    for (const event of recording.events) {
      this.#events++
      const hit = inside(event)
      if (hit === undefined) continue
      this.#found++
      this.#leads.push(event.to - hit.second)
      this.#leadShare += (event.to - hit.second) / (event.to - event.from)
    }
    this.#false += recording.decoys.filter((decoy) => inside(decoy) !== undefined).length
    this.#false += healthyAlarms(recording, alarms).length
  }

  get f1(): number {
    const claimed = this.#found + this.#false
    return claimed + this.#events > 0 ? (2 * this.#found) / (claimed + this.#events) : 0
  }

  figures(): Record<string, number> {
    const precision = this.#found + this.#false > 0 ? this.#found / (this.#found + this.#false) : 0
    return {
      events: this.#events,
      found: this.#found,
      falseAlarms: this.#false,
      precision: round(precision),
      recall: round(this.#events > 0 ? this.#found / this.#events : 0),
      f1: round(this.f1),
      leadSeconds: round(median(this.#leads)),
      leadShare: round(this.#events > 0 ? this.#leadShare / this.#events : 0),
    }
  }
}

export function healthyAlarms(recording: Recording, alarms: readonly Alarm[]): Alarm[] {
  return alarms.filter((alarm) =>
    recording.healthy.some((span) => alarm.second > span.from && alarm.second <= span.to),
  )
}

/** The upper of the two middle values; 0 of none. */
export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0
}

export function round(value: number): number {
  return Math.round(value * 100) / 100
}
