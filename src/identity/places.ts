/** How many calls of an agent are open, for those whose number is bounded. Exact over reloads; empty when none is open. */

export interface Place {
  /** Gives it back; once per place taken. */
  leave(): void
}

class AgentPlaces implements Place {
  open = 0
  readonly #agent: string
  readonly #all: Map<string, AgentPlaces>

  constructor(agent: string, all: Map<string, AgentPlaces>) {
    this.#agent = agent
    this.#all = all
  }

  leave(): void {
    this.open -= 1
    if (this.open === 0) this.#all.delete(this.#agent)
  }
}

export class Places {
  readonly #byAgent = new Map<string, AgentPlaces>()

  get agents(): number {
    return this.#byAgent.size
  }

  /** Undefined = the agent has as many as it may. */
  take(agent: string, most: number): Place | undefined {
    let places = this.#byAgent.get(agent)
    if (places === undefined) {
      places = new AgentPlaces(agent, this.#byAgent)
      this.#byAgent.set(agent, places)
    }
    if (places.open >= most) return undefined
    places.open += 1
    return places
  }
}
