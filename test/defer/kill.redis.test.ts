/** SIGKILL of a whole Weir between accepting and answering: what was promised is there, nothing is sent twice. */
import { describe, expect, it } from 'vitest'
import { killUnderLoad } from '../../bench/spool/spool-kills.ts'

describe('a Weir that is killed under load', () => {
  it.each(['lmdb', 'redis'] as const)(
    'keeps each promise on %s, and the upstream sees nothing twice that has no key',
    async (store) => {
      const figures = await killUnderLoad({ store, kills: 2, seed: 3, redisEvery: 2, settleMs: 90_000 })
      expect(figures.promised).toBeGreaterThan(5)
      expect(figures).toMatchObject({ kills: 2, lost: 0, sentTwice: 0, other: 0 })
    },
    180_000,
  )
})
