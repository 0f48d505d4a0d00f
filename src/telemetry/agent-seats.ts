/**
 * Which agents have a series of their own. A seat goes to the busiest agents while seats last, and is kept until its
 * agent has been silent for a while: series must not come and go with the order of the day. Everyone else is `other`,
 * and no sum ever falls, as counters must not.
 */
import type { Millis } from '../core/model.ts'
import type { AgentReading } from '../core/reading.ts'

/** As long as the core remembers a silent agent; Linkerd retains idle metrics for 10 min too. */
const idleMs: Millis = 600_000

/** The label of all who have no seat. */
export const OTHER = 'other'

interface Seat {
  calls: number
  /** The agent's own count at the last look. */
  last: number
  seenAt: Millis
}

export class AgentSeats {
  readonly #cap: number
  readonly #seats = new Map<string, Seat>()
  #other = 0

  constructor(cap: number) {
    this.#cap = cap
  }

  /**
   * Calls by agent since the start, `other` last.
   * @param agents the busiest first; @param total calls of all agents since the start
   */
  count(agents: readonly AgentReading[], total: number, now: Millis): ReadonlyMap<string, number> {
    for (const [name, seat] of this.#seats) if (now - seat.seenAt > idleMs) this.#seats.delete(name)
    for (const agent of agents) this.#look(agent, now)
    const counts = new Map<string, number>()
    let seated = 0
    for (const [name, { calls }] of this.#seats) {
      counts.set(name, calls)
      seated += calls
    }
    this.#other = Math.max(this.#other, total - seated)
    counts.set(OTHER, this.#other)
    return counts
  }

  #look(agent: AgentReading, now: Millis): void {
    if (agent.agent === OTHER) return
    const seat = this.#seats.get(agent.agent)
    if (seat === undefined) {
      if (this.#seats.size >= this.#cap) return
      // Once `other` has been shown, earlier calls of a newcomer are part of it: they are not counted twice.
      const calls = this.#other === 0 ? agent.calls : 0
      this.#seats.set(agent.agent, { calls, last: agent.calls, seenAt: agent.lastSeen })
      return
    }
    // A count below the last one belongs to an agent that was forgotten and came back.
    seat.calls += agent.calls >= seat.last ? agent.calls - seat.last : agent.calls
    seat.last = agent.calls
    seat.seenAt = Math.min(now, Math.max(seat.seenAt, agent.lastSeen))
  }
}
