/** What a test opens is closed after it, the newest first. */
import { afterEach } from 'vitest'

const open: { close(): Promise<void> | void }[] = []

afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.close()
})

export function kept<T extends { close(): Promise<void> | void }>(thing: T): T {
  open.push(thing)
  return thing
}

/** Waits until something is true, looking often; fails after `withinMs`. */
export async function eventually(isTrue: () => boolean, withinMs = 3000): Promise<void> {
  const deadline = performance.now() + withinMs
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${isTrue.toString()}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
