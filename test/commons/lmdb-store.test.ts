import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LmdbStore } from '../../src/commons/stores/lmdb-store.ts'
import { storeContract, TEST_BOUNDS } from './store.contract.ts'

storeContract('lmdb', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-commons-'))
  const store = new LmdbStore(directory, TEST_BOUNDS, () => 0)
  await store.open()
  return {
    store,
    close: async () => {
      await store.close()
      rmSync(directory, { recursive: true })
    },
  }
})

it('an lmdb store that is opened again has all that was there, its counts and its versions', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-commons-'))
  try {
    const first = new LmdbStore(directory, TEST_BOUNDS, () => 0)
    await first.open()
    await first.commit([
      { do: 'put', key: 'small/a', value: '1', expected: 'absent', marks: { due: 5 } },
      { do: 'append', log: 'events', value: 'e' },
    ])
    await first.close()
    const second = new LmdbStore(directory, TEST_BOUNDS, () => 0)
    await second.open()
    expect(await second.get('small/a')).toEqual({ key: 'small/a', value: '1', version: 1 })
    expect(await second.count('due')).toBe(1)
    expect(await second.usage()).toEqual({ small: { records: 1, bytes: 8 } })
    expect(await second.commit([{ do: 'append', log: 'events', value: 'f' }])).toEqual({
      ok: true,
      version: 2,
      offsets: [2],
    })
    await second.close()
    await expect(second.get('a')).rejects.toMatchObject({ name: 'StoreError' })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
