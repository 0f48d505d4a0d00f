import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { registration } from '../../src/commons/registry/registration.ts'
import type { Task, TaskSpec } from '../../src/commons/tasks/task.ts'
import { taskSpec } from '../../src/commons/tasks/task.ts'
import { caller, neverGone, refusal, testCommons, type TestCommons } from './kit.ts'

const boss = caller('boss', 'run-1')
const ann = caller('ann')
const bob = caller('bob')
let commons: TestCommons

beforeEach(() => {
  commons = testCommons()
})

function create(spec: Partial<TaskSpec> = {}): Promise<Task> {
  return commons.tasks.create(boss, taskSpec.parse({ kind: 'draft', leaseMs: 1000, ...spec }))
}

function claim(who = ann, capability = 'draft', waitMs = 0): Promise<Task | undefined> {
  return commons.dispatcher.claim(who, [capability], waitMs, neverGone)
}

async function pass(ms: number): Promise<void> {
  commons.wall.pass(ms)
  await commons.tick()
}

async function stateOf(id: string): Promise<string> {
  return (await commons.tasks.get(boss, id)).state.in
}

describe('a task', () => {
  it('goes to one who can do it, and is done when that one says so', async () => {
    const { id } = await create({ input: { topic: 'weirs' } })
    expect(await claim(ann, 'other')).toBeUndefined()
    const task = await claim()
    expect(task).toMatchObject({
      id,
      input: { topic: 'weirs' },
      fence: 1,
      attempt: 1,
      state: { owner: 'ann' },
    })
    expect(await claim(bob)).toBeUndefined()
    const done = await commons.tasks.complete(ann, id, 1, 'text')
    expect(done).toMatchObject({ result: 'text', state: { in: 'done', owner: 'ann' } })
    expect(await commons.tasks.complete(ann, id, 1, 'text')).toEqual(done)
    expect(await commons.told()).toEqual([
      `weir.task.created ${id}`,
      `weir.task.assigned ${id}`,
      `weir.task.done ${id}`,
    ])
    const { entries } = await commons.bus.page(0, 1)
    expect(entries[0]!.item['correlationid']).toBe('run-1')
  })

  it('has exactly one owner among a hundred who want it at once', async () => {
    await create()
    const all = await Promise.all(Array.from({ length: 100 }, (_, n) => claim(caller(`a${n}`))))
    expect(all.filter((task) => task !== undefined)).toHaveLength(1)
  })

  it('is handed to those who wait, in the order in which they came', async () => {
    const waiting = [claim(ann, 'draft', 5000), claim(bob, 'draft', 5000)]
    const [one, two] = [await create(), await create()]
    expect((await Promise.all(waiting)).map((task) => task?.id)).toEqual([one.id, two.id])
    expect(commons.dispatcher.waiting).toBe(0)
  })

  it('is not lost to one who leaves while it is being given', async () => {
    const gone = new AbortController()
    const waiting = commons.dispatcher.claim(ann, ['draft'], 5000, gone.signal)
    const created = create()
    gone.abort()
    expect(await waiting).toBeUndefined()
    await created
    expect(await claim(bob)).toMatchObject({ attempt: 1 })
  })

  it('keeps its owner as long as there is a sign of life, and no longer', async () => {
    const { id } = await create()
    await claim()
    await pass(999)
    await commons.tasks.heartbeat(ann, id, 1)
    await pass(999)
    expect(await stateOf(id)).toBe('running')
    await pass(1)
    expect(await stateOf(id)).toBe('ready')
    expect(await claim(bob)).toMatchObject({ fence: 2, attempt: 2, tried: [{ owner: 'ann', end: 'lease' }] })
    expect(await refusal(commons.tasks.heartbeat(ann, id, 1))).toBe('conflict')
    expect(await refusal(commons.tasks.complete(ann, id, 1, 'late'))).toBe('conflict')
    expect(await refusal(commons.tasks.complete(bob, id, 1, 'old fence'))).toBe('conflict')
    await commons.tasks.complete(bob, id, 2, 'good')
  })

  it('is not its owner any more at the instant its lease ends, before anybody noticed', async () => {
    const { id } = await create()
    await claim()
    commons.wall.pass(1000)
    expect(await refusal(commons.tasks.complete(ann, id, 1, 'late'))).toBe('conflict')
  })

  it('goes to somebody else when its owner has left the registry', async () => {
    await commons.registry.register(ann, 'ann', registration.parse({ ttlMs: 1000 }))
    const { id } = await create({ leaseMs: 60_000 })
    await claim()
    await pass(1000)
    expect(await stateOf(id)).toBe('ready')
    expect(await claim(bob)).toMatchObject({ tried: [{ end: 'left' }] })
  })

  it('that failed waits longer each time, and after its last attempt for a person', async () => {
    const { id } = await create({ attempts: 3, retryDelayMs: 100 })
    for (const delay of [100, 200]) {
      const task = await claim()
      await commons.tasks.fail(ann, id, task!.fence, 'no idea')
      await pass(delay - 1)
      expect(await claim()).toBeUndefined()
      await pass(1)
    }
    await commons.tasks.fail(ann, id, (await claim())!.fence, 'still none')
    const task = await commons.tasks.get(boss, id)
    expect(task.state).toMatchObject({ in: 'gate', cause: 'attempts' })
    expect(commons.tasks.why(task, 0)).toContain('still none')
    await pass(86_400_000 * 7)
    expect(await stateOf(id)).toBe('gate')
    await commons.tasks.decide(boss, id, { decision: 'retry', attempts: 1 })
    expect(await claim(bob)).toMatchObject({ attempt: 4 })
  })

  it('whose result does not fit is tried again by somebody else', async () => {
    const { id } = await create({ output: { type: 'object', required: ['title'] }, retryDelayMs: 0 })
    await claim()
    await expect(commons.tasks.complete(ann, id, 1, {})).rejects.toMatchObject({
      why: 'contract',
      faults: [{ where: '/output' }],
    })
    expect(await claim(bob)).toMatchObject({ fence: 2, tried: [{ end: 'contract' }] })
    await commons.tasks.complete(bob, id, 2, { title: 'x' })
  })

  it('past its deadline waits for a person, whether somebody had it or not', async () => {
    const [one, two] = [await create({ deadlineMs: 500 }), await create({ deadlineMs: 500 })]
    await claim()
    await pass(500)
    expect(await stateOf(two.id)).toBe('gate')
    await pass(500)
    expect((await commons.tasks.get(boss, one.id)).state).toMatchObject({ in: 'gate', cause: 'deadline' })
  })

  it('comes after those that it needs, and goes to a person when one of them is cancelled', async () => {
    const [one, two] = [await create({ kind: 'research' }), await create({ kind: 'research' })]
    const third = await create({ after: [one.id, two.id] })
    const fourth = await create({ after: [third.id] })
    expect(commons.tasks.why(third, 0)).toContain(one.id)
    for (const each of [one, two]) {
      expect(await claim()).toBeUndefined()
      const task = await claim(ann, 'research')
      expect(task?.id).toBe(each.id)
      await commons.tasks.complete(ann, each.id, 1, null)
      await commons.tick()
    }
    expect(await claim()).toMatchObject({ id: third.id })
    await commons.tasks.cancel(boss, third.id)
    await commons.tick()
    expect((await commons.tasks.get(boss, fourth.id)).state).toMatchObject({
      in: 'gate',
      cause: 'dependency',
    })
    expect(await refusal(create({ after: [third.id] }))).toBe('conflict')
    expect(await refusal(create({ after: ['nobody'] }))).toBe('unknown')
  })

  it('that needs one which is done already may be claimed at once', async () => {
    const one = await create({ kind: 'research' })
    await claim(ann, 'research')
    await commons.tasks.complete(ann, one.id, 1, null)
    const two = await create({ after: [one.id] })
    expect(await claim()).toMatchObject({ id: two.id })
  })

  it('brings its followers with it in the step in which it ends', async () => {
    const { id } = await create({
      onDone: [{ kind: 'review', inputFrom: 'output', onDone: [{ kind: 'publish' }] }],
      onFailed: [{ kind: 'apologise', inputFrom: 'input' }],
      input: 'topic',
      attempts: 1,
    })
    await claim()
    await commons.tasks.complete(ann, id, 1, { text: 'x' })
    const review = await claim(bob, 'review')
    expect(review).toMatchObject({ input: { text: 'x' }, parent: id, correlationid: 'run-1' })
    await commons.tasks.complete(bob, review!.id, 1, 'fine')
    expect(await claim(bob, 'publish')).toMatchObject({ input: 'fine', parent: review!.id })
    const lost = await create({
      onFailed: [{ kind: 'apologise', inputFrom: 'input' }],
      input: 'topic',
      attempts: 1,
    })
    await claim()
    await commons.tasks.fail(ann, lost.id, 1, 'no')
    expect(await claim(bob, 'apologise')).toMatchObject({ input: 'topic', parent: lost.id })
    expect(await stateOf(lost.id)).toBe('gate')
  })

  it('with an id that is taken is a conflict', async () => {
    await create({ id: 'mine' })
    expect(await refusal(create({ id: 'mine' }))).toBe('conflict')
  })

  it('that ended is forgotten after its time', async () => {
    const { id } = await create()
    await claim()
    await commons.tasks.complete(ann, id, 1, null)
    await pass(86_400_000)
    expect(await refusal(commons.tasks.get(boss, id))).toBe('unknown')
    expect(await commons.store.scan('task', '', 10)).toEqual([])
  })
})

describe('a task whose upstream is not well', () => {
  it('is not dispatched until it is, and says why', async () => {
    const { id } = await create({ upstreams: ['api', 'tool'] })
    commons.bearings.set('tool', { is: 'shut', condition: 'drifting' })
    const other = await create({ upstreams: ['api'] })
    expect(await claim()).toMatchObject({ id: other.id })
    expect(await claim(bob)).toBeUndefined()
    const task = await commons.tasks.get(boss, id)
    expect(task.state).toMatchObject({ in: 'parked', upstream: 'tool' })
    expect(commons.tasks.why(task, 0)).toBe('tool is drifting')
    await commons.tasks.complete(ann, other.id, 1, null)
    await pass(60_000)
    expect(await claim(bob)).toBeUndefined()
    const waiting = claim(bob, 'draft', 5000)
    commons.bearings.delete('tool')
    await pass(250)
    expect(await waiting).toMatchObject({ id })
    expect(await commons.told()).toEqual(
      expect.arrayContaining([`weir.task.parked ${id}`, `weir.task.resumed ${id}`]),
    )
  })

  it('does not stand in the way of others behind it, however many there are', async () => {
    commons.bearings.set('tool', { is: 'shut', condition: 'down' })
    for (let n = 0; n < 200; n++) await create({ upstreams: ['tool'] })
    const { id } = await create()
    expect(await claim()).toMatchObject({ id })
  })

  it('goes on the ramp at its rate', async () => {
    for (let n = 0; n < 40; n++) await create({ upstreams: ['tool'], leaseMs: 3_600_000 })
    commons.bearings.set('tool', { is: 'ramp', rate: 2 })
    let given = 0
    const takeAll = async (): Promise<void> => {
      while ((await claim(caller(`a${given}`))) !== undefined) given += 1
    }
    await takeAll()
    expect(given).toBe(1)
    for (let n = 0; n < 20; n++) {
      await pass(250)
      await takeAll()
    }
    expect(given).toBeGreaterThanOrEqual(9)
    expect(given).toBeLessThanOrEqual(11)
    commons.bearings.delete('tool')
    await pass(250)
    await takeAll()
    expect(given).toBe(40)
  })

  it('must be one that is configured', async () => {
    expect(await refusal(create({ upstreams: ['nowhere'] }))).toBe('malformed')
    expect(await refusal(create({ onDone: [{ kind: 'x', upstreams: ['nowhere'] }] }))).toBe('malformed')
  })
})

describe('any number of tasks and owners', () => {
  it(
    'end with each task done once or at the gate, one owner at a time, whatever happens',
    { timeout: 60_000 },
    async () => {
      const act = fc.oneof(
        fc.record({
          do: fc.constant('create' as const),
          attempts: fc.integer({ min: 1, max: 3 }),
          needsLast: fc.boolean(),
        }),
        fc.record({ do: fc.constant('claim' as const), who: fc.nat(3) }),
        fc.record({
          do: fc.constantFrom('complete' as const, 'fail' as const, 'beat' as const),
          which: fc.nat(9),
        }),
        fc.record({ do: fc.constant('leave' as const), who: fc.nat(3) }),
        fc.record({ do: fc.constant('pass' as const), ms: fc.constantFrom(1, 400, 1000) }),
        fc.record({ do: fc.constant('weather' as const), isBad: fc.boolean() }),
      )
      await fc.assert(
        fc.asyncProperty(fc.array(act, { maxLength: 60 }), async (acts) => {
          commons = testCommons()
          const held: { who: string; task: Task; until: number }[] = []
          const fences = new Map<string, number>()
          const faults: string[] = []
          const ended = new Set<string>()
          let last: string | undefined
          const take = async (who: string): Promise<void> => {
            const task = await claim(caller(who))
            if (task === undefined) return
            if (task.fence <= (fences.get(task.id) ?? 0)) faults.push(`${task.id}: fence ${task.fence} again`)
            fences.set(task.id, task.fence)
            // Nobody else may still be within its lease.
            const isOthers = held.some(({ task: { id }, until }) => id === task.id && until > commons.wall.at)
            if (isOthers) faults.push(`${task.id}: two owners`)
            held.push({ who, task, until: commons.wall.at + 1000 })
          }
          for (const each of acts) {
            if (each.do === 'create') {
              const after = each.needsLast && last !== undefined ? [last] : []
              last = (await create({ attempts: each.attempts, retryDelayMs: 0, upstreams: ['api'], after }))
                .id
            } else if (each.do === 'claim') await take(`w${each.who}`)
            else if (each.do === 'leave') {
              await commons.tasks.ownerLeft(`w${each.who}`, 'test')
              for (const one of held) if (one.who === `w${each.who}`) one.until = 0
            } else if (each.do === 'pass') await pass(each.ms)
            else if (each.do === 'weather') {
              if (each.isBad) commons.bearings.set('api', { is: 'shut', condition: 'drifting' })
              else commons.bearings.delete('api')
            } else {
              const one = held[each.which % Math.max(1, held.length)]
              if (one === undefined) continue
              const { id, fence } = one.task
              const isTheirs = one.until > commons.wall.at
              const work =
                each.do === 'complete'
                  ? commons.tasks.complete(caller(one.who), id, fence, 1)
                  : each.do === 'fail'
                    ? commons.tasks.fail(caller(one.who), id, fence, 'x')
                    : commons.tasks.heartbeat(caller(one.who), id, fence)
              const why = await refusal(work)
              const isRepeated = each.do === 'complete' && ended.has(`${id} ${fence}`)
              if (why !== (isTheirs || isRepeated ? 'none' : 'conflict'))
                faults.push(`${id}: ${each.do} ${why}`)
              if (!isTheirs) continue
              if (each.do === 'beat') one.until = commons.wall.at + 1000
              else one.until = 0
              if (each.do === 'complete') {
                if ([...ended].some((end) => end.startsWith(`${id} `))) faults.push(`${id}: done twice`)
                ended.add(`${id} ${fence}`)
              }
            }
          }
          commons.bearings.clear()
          for (let round = 0; round < 200; round++) {
            await pass(1000)
            const task = await claim(caller('last'))
            if (task !== undefined) await commons.tasks.complete(caller('last'), task.id, task.fence, 1)
          }
          const rows = await commons.store.scan('task/', '', 1000)
          for (const row of rows) {
            const { state } = JSON.parse(row.value) as Task
            // What comes after a task at the gate waits with it.
            expect(['done', 'gate', 'blocked']).toContain(state.in)
          }
          expect(faults).toEqual([])
          expect(commons.trouble).toEqual([])
        }),
        { numRuns: 40 },
      )
    },
  )
})
