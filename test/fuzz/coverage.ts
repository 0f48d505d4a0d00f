/** Which blocks of the code ran, by V8's own precise coverage: what tells a fuzzer that an input did something new. */
import { Session } from 'node:inspector'
import type { Profiler } from 'node:inspector'

export class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<string>()
  readonly #isOurs: (url: string) => boolean

  /** @param isOurs files whose blocks count */
  constructor(isOurs: (url: string) => boolean) {
    this.#isOurs = isOurs
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  get blocks(): number {
    return this.#seen.size
  }

  /** Blocks that ran since the last look and never before. */
  look(): number {
    const before = this.#seen.size
    for (const { url, functions } of this.#taken()) {
      if (!this.#isOurs(url)) continue
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          // Powers of ten: a loop that runs ten times as often is news, one more turn is not.
          if (count > 0) this.#seen.add(`${url}:${startOffset}-${endOffset}:${Math.floor(Math.log10(count))}`)
        }
      }
    }
    return this.#seen.size - before
  }

  close(): void {
    this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  /** The callback runs before `post` returns: the session is of this thread. */
  #taken(): Profiler.ScriptCoverage[] {
    let taken: Profiler.ScriptCoverage[] = []
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => (taken = result))
    return taken
  }
}
