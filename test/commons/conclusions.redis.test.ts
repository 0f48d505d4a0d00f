/** Several Weirs whose commons is one Redis: what each of them concludes of an upstream is on the bus once. */
import { afterEach, expect, it } from 'vitest'
import { DEFAULT_LIMITS, storeBounds } from '../../src/commons/limits.ts'
import { RedisStore } from '../../src/commons/stores/redis-store.ts'
import { type CommonsMembership, joinCommons } from '../../src/commons-membership.ts'
import { createCoordinator } from '../../src/core/coordinator.ts'
import type { CoreEvent } from '../../src/core/model.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { policyOf } from '../kit/policy.ts'
import { RedisServer } from '../kit/redis-server.ts'

const WEIRS = 8

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

const clock = (): number => performance.now()

async function join(url: string): Promise<CommonsMembership> {
  const log = createLog({ level: 'silent', access: false, clock, sink: { write: () => {} } })
  const core = createCoordinator({
    policy: policyOf('version: 1\nrules: []', ['api']),
    upstreams: ['api'],
    seed: 1,
  })
  const store = { kind: 'redis' as const, url, prefix: 'fleet' }
  const around = { core, upstreams: ['api'], clock, wall: () => Date.now(), log }
  const commons = joinCommons({ store, limits: {} }, around)
  await commons.start()
  return commons
}

/** Eight Weirs at once; resolves when all that they say is written. */
async function all(url: string, events: readonly Partial<CoreEvent>[]): Promise<void> {
  const weirs = await Promise.all(Array.from({ length: WEIRS }, () => join(url)))
  for (const weir of weirs) {
    for (const event of events)
      weir.event({ name: 'storm-started', at: 0, upstream: 0, readings: {}, ...event })
  }
  for (const weir of weirs) await weir.close()
}

it('a storm that eight Weirs see is told once, and its end; a loop is told by each Weir', async () => {
  const redis = await RedisServer.start()
  closing.push(() => redis.close())
  await all(redis.url, [
    { name: 'condition-changed', from: 'healthy', to: 'storming' },
    { name: 'storm-started' },
    { name: 'agent-looping', agent: 'ann' },
  ])
  await all(redis.url, [
    { name: 'storm-ended' },
    { name: 'condition-changed', from: 'storming', to: 'healthy' },
  ])
  const target = { url: redis.url, prefix: 'fleet' }
  const store = new RedisStore(target, storeBounds(DEFAULT_LIMITS), () => Date.now())
  await store.open()
  closing.push(() => store.close())
  const { entries } = await store.read('events', 0, 1000)
  const types = entries.map(({ value }) => (JSON.parse(value) as { type: string }).type)
  const times = (type: string): number => types.filter((each) => each === type).length
  expect(times('weir.storm.started')).toBe(1)
  expect(times('weir.storm.ended')).toBe(1)
  expect(times('weir.condition.changed')).toBe(2)
  expect(times('weir.agent.looping')).toBe(WEIRS)
})
