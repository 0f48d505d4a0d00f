import { describe, expect, it } from 'vitest'
import { commonsConfig } from './commons-config.ts'
import { configFile } from './config-schema.ts'

function read(commons: object, workers = 1): { config: ReturnType<typeof commonsConfig>; found: string[] } {
  const found: string[] = []
  const value = configFile.parse({ commons }).commons
  const report = (_path: unknown, complaint: { found: string }): void => void found.push(complaint.found)
  return { config: commonsConfig(value, { folder: '/etc/weir', workers, report }), found }
}

describe('the commons block', () => {
  it('is off unless a store is named', () => {
    expect(read({})).toEqual({ config: undefined, found: [] })
  })

  it('finds its directory from the folder of its file', () => {
    expect(read({ store: 'lmdb', dir: 'kept' }).config?.store).toEqual({
      kind: 'lmdb',
      dir: '/etc/weir/kept',
    })
  })

  it.each<[object, number, string]>([
    [{ store: 'lmdb' }, 1, 'lmdb without commons.dir'],
    [{ store: 'redis' }, 1, 'redis without commons.redis'],
    [{ store: 'memory' }, 4, '4 workers, and a store of one process (memory)'],
  ])('%j with %i workers is a problem', (commons, workers, problem) => {
    expect(read(commons, workers).found).toEqual([problem])
  })

  it('lets workers share a Redis', () => {
    expect(read({ store: 'redis', redis: 'redis://127.0.0.1:6379' }, 4).found).toEqual([])
  })
})
