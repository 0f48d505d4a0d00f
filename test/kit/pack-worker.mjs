/** The thread of `read-packed.ts` from its source: a loader has to be told in every thread. */
import { register } from 'tsx/esm/api'

register()
await import('../../src/journal/replay/pack-worker.ts')
