/**
 * Frames for whoever watches: built once a second however many watch, and not at all while nobody does. The last
 * five minutes of what was seen are kept in a compact form, so that a page that comes (back) has its charts at once.
 */
import type { Millis } from '../core/model.ts'
import type { LiveFrame } from './live-frame.ts'
import { historyOf, kept, type PastFrame } from './live-history.ts'

/** What the charts look back on. */
export const HISTORY_MS: Millis = 300_000
/** A reader gets the history in one piece: half of what may wait unread in a stream. */
const MOST_HISTORY_BYTES = 128 * 1024

const EVERY_MS: Millis = 1000

export class LiveFeed {
  readonly #build: () => LiveFrame
  readonly #everyMs: Millis
  readonly #watchers = new Set<(frame: string) => void>()
  #past: PastFrame[] = []
  #last = ''
  #timer: NodeJS.Timeout | undefined

  /** @param build makes the frame of this moment; `everyMs` is for tests */
  constructor(build: () => LiveFrame, everyMs: Millis = EVERY_MS) {
    this.#build = build
    this.#everyMs = everyMs
  }

  get watchers(): number {
    return this.#watchers.size
  }

  /** Gets a frame at once and then one a second, as JSON. Answers how to stop. */
  watch(watcher: (frame: string) => void): () => void {
    this.#watchers.add(watcher)
    if (this.#timer === undefined) {
      this.#timer = setInterval(() => this.#beat(), this.#everyMs)
      this.#timer.unref()
      this.#beat()
    } else watcher(this.#last)
    return () => {
      this.#watchers.delete(watcher)
      if (this.#watchers.size > 0) return
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }

  /** A `LiveHistory` as JSON. */
  history(): string {
    const before = Date.parse(this.#past.at(-1)?.time ?? '') - HISTORY_MS
    let frames = this.#past.filter((frame) => Date.parse(frame.time) > before)
    for (;;) {
      const text = JSON.stringify(historyOf(frames))
      if (text.length <= MOST_HISTORY_BYTES || frames.length === 0) return text
      frames = frames.slice(Math.ceil(frames.length / 2))
    }
  }

  #beat(): void {
    const frame = this.#build()
    this.#past.push(kept(frame))
    if (this.#past.length > HISTORY_MS / EVERY_MS) this.#past.shift()
    this.#last = JSON.stringify(frame)
    for (const watcher of this.#watchers) watcher(this.#last)
  }
}
