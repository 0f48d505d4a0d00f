/**
 * What one decision costs inside `core/limit` and `core/admit`: nanoseconds per operation, best of five rounds.
 * Says nothing about cache misses between calls of a busy proxy; `next` and `offer` run on a half full queue.
 */
import { Release } from '../../src/core/admit/release.ts'
import { HoldQueue } from '../../src/core/admit/hold-queue.ts'
import { Slots } from '../../src/core/admit/slots.ts'
import { AdaptiveLimit } from '../../src/core/limit/adaptive-limit.ts'
import { Gcra } from '../../src/core/limit/gcra.ts'
import { RetryBudget } from '../../src/core/limit/retry-budget.ts'
import { PRIORITIES } from '../../src/core/model.ts'
import { QuotaKnowledge } from '../../src/core/observe/quota.ts'
import { seeded } from '../../src/core/random.ts'

const ROUNDS = 5
const OPERATIONS = 200_000

/** Keeps results alive, so that nothing is optimised away. */
let sink = 0

function measured(operation: (i: number) => number): number {
  let best = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now()
    for (let i = 0; i < OPERATIONS; i++) sink += operation(i)
    best = Math.min(best, performance.now() - from)
  }
  return Math.round((best * 1e6) / OPERATIONS)
}

/** Runs each operation in turn. Keys are names, values nanoseconds per operation. */
export async function run(): Promise<Record<string, number>> {
  const results = {
    'gcra take, 4096 keys': gcra(),
    'retry budget success + take': budget(),
    'adaptive limit value + loss': limit(),
    'hold queue offer + next + complete, 500 waiting': holdQueue(500),
    'hold queue offer + remove, 500 waiting': leaving(),
    'hold queue offer when full': full(),
    'slots reserve + claim, 1000 open': slots(),
    'release take + outcome': release(),
    'quota observe + blockedUntil, 1000 credentials': quota(),
  }
  if (Number.isNaN(sink)) throw new Error('a benchmark computed no number')
  return Promise.resolve(results)
}

function gcra(): number {
  const limiter = new Gcra({ slots: 4096, ratePerSecond: 1000, burst: 10 })
  return measured((i) => limiter.take(i & 4095, i / 100))
}

function budget(): number {
  const retries = new RetryBudget({ ratio: 0.1, perSecond: 1, cap: 100 }, 0)
  return measured((i) => {
    retries.success()
    return retries.take(i, false) ? 1 : 0
  })
}

function limit(): number {
  const adaptive = new AdaptiveLimit({ min: 1, max: 1000, lossFactor: 0.7, tolerance: 1.5 }, 0)
  adaptive.start(100, 100, 0)
  return measured((i) => {
    adaptive.loss(i, 1000)
    return adaptive.value
  })
}

const HOLD = { maxMs: 10_000, maxCalls: 1000, maxPerAgent: 1000, maxBytes: 1e12 }

function offered(queue: HoldQueue, call: number, i: number): number {
  const priority = PRIORITIES[i & 3] ?? 'normal'
  const offer = { call, agentSlot: i % 97, priority, until: 1e9 + i, cost: 100 + (i % 7), bytes: 1000 }
  return queue.offer(offer, 0) === 'queued' ? 1 : 0
}

function filled(calls: number): HoldQueue {
  const queue = new HoldQueue(HOLD)
  for (let call = 0; call < calls; call++) offered(queue, call, call)
  return queue
}

function holdQueue(waiting: number): number {
  const queue = filled(waiting)
  let free = waiting
  return measured((i) => {
    offered(queue, free, i)
    free = queue.next(0)
    queue.complete(free, 120)
    return free
  })
}

function leaving(): number {
  const queue = filled(500)
  return measured((i) => offered(queue, 500, i) + (queue.remove(500) ? 1 : 0))
}

function full(): number {
  const queue = new HoldQueue(HOLD)
  for (let call = 0; call < 1000; call++) {
    queue.offer({ call, agentSlot: call, priority: 'critical', until: 1e9, cost: 1, bytes: 1 }, 0)
  }
  return measured((i) => offered(queue, 1000, (i & ~3) + 3))
}

function slots(): number {
  const timetable = new Slots({ maxMs: 59_000, graceMs: 2000 })
  const request = {
    earliest: 0,
    ratePerSecond: 1000,
    share: 1,
    ceilingMs: Infinity,
    precision: 'ms',
  } as const
  let count = 0
  return measured(() => {
    count += 1
    const slotAt = timetable.reserve(count, count, request)
    if (count > 1000) timetable.claim(count - 1000, count)
    return slotAt
  })
}

function release(): number {
  const gate = new Release(
    { probeEveryMs: 500, probeMaxMs: 1000, probePasses: 2, start: 0.2, growth: 1.5, windowMs: 250 },
    seeded(1),
  )
  gate.healthyRate(1e5, 100)
  gate.startRamp(0)
  let at = 0
  return measured(() => {
    at += 0.01
    gate.outcome(true, true, at, false, at - 1)
    return gate.take(at) ? 1 : 0
  })
}

function quota(): number {
  const knowledge = new QuotaKnowledge(4096)
  const said = { limit: 1000, remaining: 500, resetMs: 1000 }
  return measured((i) => {
    knowledge.observe(i % 1000, said, -1, 200, i)
    return knowledge.blockedUntil((i * 7) % 1000, i)
  })
}
