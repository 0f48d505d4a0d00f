import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

it('a torn record is left alone and said to be damaged, and all others are whole', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-commons-'))
  try {
    const first = new LmdbStore(directory, TEST_BOUNDS, () => 0)
    await first.open()
    for (const [key, value] of [
      ['small/a', 'torn-value-a'],
      ['small/b', 'whole-value-b'],
    ] as const) {
      await first.commit([{ do: 'put', key, value, expected: 'absent', marks: { due: 5 } }])
    }
    for (const value of ['torn-event', 'whole-event'])
      await first.commit([{ do: 'append', log: 'events', value }])
    await first.close()
    const file = join(directory, 'commons.mdb')
    const bytes = readFileSync(file)
    for (const text of ['torn-value-a', 'torn-event']) {
      expect(bytes.includes(text)).toBe(true)
      for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) bytes[at + 2]! ^= 1
    }
    writeFileSync(file, bytes)
    const second = new LmdbStore(directory, TEST_BOUNDS, () => 0)
    await second.open()
    expect(second.damaged).toBe(1)
    await expect(second.get('small/a')).rejects.toMatchObject({ name: 'DamagedError' })
    expect((await second.get('small/b'))?.value).toBe('whole-value-b')
    expect((await second.scan('small/', '', 10)).map(({ key }) => key)).toEqual(['small/b'])
    expect((await second.marked('due', 10, 10)).map(({ key }) => key)).toEqual(['small/b'])
    expect(await second.commit([{ do: 'put', key: 'small/a', value: 'x', expected: 1 }])).toMatchObject({
      why: 'conflict',
    })
    expect((await second.read('events', 0, 10)).entries.map(({ value }) => value)).toEqual([
      '',
      'whole-event',
    ])
    await second.close()
  } finally {
    rmSync(directory, { recursive: true })
  }
})

it('a file that is none of LMDB is told at the opening', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-commons-'))
  try {
    writeFileSync(join(directory, 'commons.mdb'), 'x'.repeat(8192))
    const store = new LmdbStore(directory, TEST_BOUNDS, () => 0)
    await expect(store.open()).rejects.toMatchObject({ name: 'StoreError' })
  } finally {
    rmSync(directory, { recursive: true })
  }
})
