import type { RedisTarget } from '../../src/board/redis-board.ts'

export function targetOf(port: number, facts: Partial<RedisTarget> = {}): RedisTarget {
  return {
    kind: 'single',
    addresses: [{ host: '127.0.0.1', port }],
    master: undefined,
    username: undefined,
    password: undefined,
    database: 0,
    tls: undefined,
    prefix: 'weir',
    ...facts,
  }
}
