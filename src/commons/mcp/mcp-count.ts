/** MCP requests in progress, and how many came by revision of the protocol. */
import { REVISIONS } from './revisions.ts'

/** A client that says no revision (its handshake), or one that Weir does not name. */
const OTHER = 'other'

export class McpCount {
  open = 0
  readonly #requests = new Map<string, number>([...REVISIONS, OTHER].map((revision) => [revision, 0]))

  get requests(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#requests)
  }

  /** A request has come. @returns how to say that it has ended */
  begin(revision: string): () => void {
    const name = this.#requests.has(revision) ? revision : OTHER
    this.#requests.set(name, (this.#requests.get(name) ?? 0) + 1)
    this.open += 1
    return () => {
      this.open -= 1
    }
  }
}
