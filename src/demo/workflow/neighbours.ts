/**
 * Others who use the same model: without them Weir would not know what it is like when it is well, and would not see
 * that it degrades before the workflow itself suffers. They register nowhere, and appear from their traffic alone.
 */
import type { Millis } from '../../core/model.ts'

const NEIGHBOURS = 5
/** 15 calls a second in all: half of what the model can serve while it is well. */
const EVERY_MS: Millis = 333
const TIMEOUT_MS: Millis = 4000

/** @param urlOf where one of them calls */
export function startNeighbours(urlOf: (agent: string) => string): { stop(): void } {
  const stopped = new AbortController()
  const timers: NodeJS.Timeout[] = []
  const call = async (url: string): Promise<void> => {
    try {
      const answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"model":"demo","messages":[{"role":"user","content":"hello"}]}',
        signal: AbortSignal.any([stopped.signal, AbortSignal.timeout(TIMEOUT_MS)]),
      })
      await answer.arrayBuffer()
    } catch {
      // Theirs to bear: they are not part of the story.
    }
  }
  for (let index = 0; index < NEIGHBOURS; index++) {
    const url = urlOf(`neighbour-${index + 1}`)
    const next = (delayMs: Millis): void => {
      timers[index] = setTimeout(() => {
        void call(url)
        next(EVERY_MS * (0.5 + Math.random()))
      }, delayMs)
    }
    next(EVERY_MS * Math.random())
  }
  return {
    stop() {
      for (const timer of timers) clearTimeout(timer)
      stopped.abort()
    },
  }
}
