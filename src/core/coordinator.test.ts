import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { arrivalOf, Driver, HOLD_POLICY } from '../../test/kit/core-driver.ts'
import { policyOf, shippedPolicy } from '../../test/kit/policy.ts'
import { createCoordinator } from './coordinator.ts'
import { PRIORITIES } from './model.ts'
import { seeded } from './random.ts'

describe('a healthy upstream', () => {
  it('is transparent: every call passes at once, whatever the rules', () => {
    const driver = new Driver(HOLD_POLICY)
    for (let call = 0; call < 500; call++) {
      expect(driver.arrive({ agent: `agent-${call % 20}` }).do).toBe('pass')
      driver.answer(driver.last, 200, 20)
    }
    expect(driver.upstream().condition).toBe('healthy')
    expect(driver.upstream().outcomes).toMatchObject({ passed: 500, shed: 0, 'passed-after-hold': 0 })
  })
})

describe('an upstream that says "too much"', () => {
  it('is given what it can bear, and the rest waits for room', () => {
    const driver = degraded(HOLD_POLICY)
    const verdicts = Array.from({ length: 60 }, (_, index) => driver.arrive({ agent: `agent-${index}` }).do)
    expect(verdicts).toContain('pass')
    expect(verdicts).toContain('hold')
    const { limit, inFlight } = driver.upstream()
    expect(inFlight).toBeLessThanOrEqual(limit)
  })

  it('lets a held call go soon after another one ends', () => {
    const driver = degraded(HOLD_POLICY)
    const slots = fillUntilHeld(driver)
    const before = driver.released.length
    driver.answer(slots.passed, 200, 20)
    driver.advance(2000)
    expect(driver.released.slice(before)).toContain(slots.held)
  })

  it('lets calls of a class that it does not know yet take turns with the others', () => {
    const driver = degraded(HOLD_POLICY)
    fillUntilHeld(driver)
    const known = new Map<number, boolean>()
    for (let call = 0; call < 40; call++) {
      const isKnown = call % 2 === 0
      driver.arrive(isKnown ? { agent: 'known' } : { agent: 'new', route: '/v1/other', path: '/v1/other' })
      expect(driver.lastVerdict.do).toBe('hold')
      known.set(driver.last, isKnown)
    }
    for (let call = 0; call < 120; call++) driver.answer(driver.anyInFlight(0), 200, 20)
    const order = driver.released.flatMap((call) => known.get(call) ?? [])
    expect(order.slice(0, 20).filter((isKnown) => isKnown)).toHaveLength(10)
  })

  it('ends a hold before the deadline of its client, with a slot of its own', () => {
    const driver = degraded(HOLD_POLICY)
    fillUntilHeld(driver)
    const verdict = driver.arrive({ agent: 'impatient', patienceMs: 2000 })
    expect(verdict.do).toBe('hold')
    expect(verdict.until - driver.now).toBeLessThan(2000)
    const { last } = driver
    driver.advance(2000)
    const expired = driver.expired.find((directive) => directive.call === last)
    expect(expired?.slotAt).toBeGreaterThan(driver.now)
  })

  it('lets held calls go when those before them never end', () => {
    for (const most of [3, 100]) {
      const driver = degraded(HOLD_POLICY.replace('drift:', `limit: { max: ${most} }, drift:`))
      const { held } = fillUntilHeld(driver)
      const before = driver.released.length
      driver.advance(20_000)
      expect(driver.released.slice(before)).toContain(held)
    }
  })

  it('touches no call in shadow mode, and says what it would have done', () => {
    const driver = degraded(HOLD_POLICY.replace('enforce', 'shadow'))
    const verdicts = Array.from({ length: 200 }, (_, index) => driver.arrive({ agent: `agent-${index}` }))
    expect(verdicts.every((verdict) => verdict.do === 'pass')).toBe(true)
    expect(verdicts.some((verdict) => verdict.shadow?.do === 'hold')).toBe(true)
  })

  it('is seen to be well again in shadow mode too, where no call is ever held as a probe', () => {
    const driver = new Driver(HOLD_POLICY.replace('enforce', 'shadow'))
    const serve = (seconds: number, status: number): void => {
      for (let call = 0; call < seconds * 20; call++) {
        driver.arrive({ agent: `agent-${call % 20}`, fingerprint: call })
        driver.answer(driver.last, status, 20)
        driver.advance(30)
      }
    }
    serve(10, 200)
    serve(10, 500)
    expect(driver.upstream().condition).toBe('down')
    serve(60, 200)
    expect(driver.upstream().condition).toBe('healthy')
  })

  it('is not asked again with a credential before the time that it named, however well it is otherwise', () => {
    const driver = new Driver(HOLD_POLICY.replace(/ +when: .*\n/, ''))
    driver.arrive({ credential: 5, fingerprint: 77 })
    driver.head(driver.last, 429, 1500)
    driver.answer(driver.last, 429, 1)
    driver.advance(1000)
    expect(driver.arrive({ credential: 5, fingerprint: 77 })).toMatchObject({ do: 'hold', reason: 'quota' })
    const { last } = driver
    expect(driver.arrive({ credential: 6, fingerprint: 78 }).do).toBe('pass')
    driver.advance(480)
    expect(driver.released).toEqual([])
    driver.advance(100)
    expect(driver.released).toEqual([last])
  })

  it.each([
    ['kyc', ['idp']],
    ['multi-model', ['model-a', 'model-b']],
    ['rag', ['vectors']],
    ['swarm', ['model']],
    ['voice', ['model', 'realtime', 'tts']],
  ])(
    'spares all agents of a credential what one was told, well as it is, by the shipped policy %s',
    (name, upstreams) => {
      const driver = new Driver(shippedPolicy(name, upstreams), upstreams)
      driver.arrive({ agent: 'first', credential: 5, fingerprint: 1 })
      driver.head(driver.last, 429, 30_000)
      driver.answer(driver.last, 429, 1)
      driver.advance(1000)
      const verdicts = ['second', 'third'].map((agent, index) =>
        driver.arrive({ agent, credential: 5, fingerprint: 2 + index }),
      )
      // To another of the group it may go.
      const sent = verdicts.filter(({ do: kind, upstream }) => kind === 'pass' && upstream === 0)
      const refused = verdicts.filter(({ do: kind }) => kind !== 'pass')
      expect(sent).toEqual([])
      expect(refused.map(({ reason }) => reason)).toEqual(refused.map(() => 'quota'))
      expect(driver.arrive({ agent: 'fourth', credential: 6, fingerprint: 9 }).do).toBe('pass')
    },
  )

  it('has its own Retry-After replaced by slots that differ from caller to caller, and are never earlier', () => {
    const driver = degraded(HOLD_POLICY)
    const slots = Array.from({ length: 5 }, (_, index) => {
      driver.arrive({ agent: `other-${index}`, fingerprint: 9000 + index, credential: 100 + index })
      return driver.head(driver.last, 429, 3000)
    })
    expect(new Set(slots).size).toBe(5)
    for (const slotAt of slots) expect(slotAt - driver.now).toBeGreaterThanOrEqual(3000)
  })
})

describe('a caller that runs in circles', () => {
  it.each([
    ['swarm', ['model']],
    ['kyc', ['idp']],
  ])('is stopped, not only slowed down, by the shipped policy %s', (name, upstreams) => {
    const driver = new Driver(shippedPolicy(name, upstreams), upstreams)
    const random = seeded(7)
    const waits: number[] = []
    let sent = 0
    for (let step = 0; step < 400; step++) {
      driver.advance(300 + random() * 6000)
      for (let attempt = 1; attempt <= 3; attempt++) {
        const verdict = driver.arrive({
          agent: 'runaway',
          workflow: 'run',
          fingerprint: 500,
          bytes: 900,
          attempt,
        })
        if (verdict.do === 'pass') {
          sent += 1
          driver.answer(driver.last, 200, 500 + random() * 900, 900)
          break
        }
        expect(verdict).toMatchObject({ do: 'shed', reason: 'loop' })
        waits.push(verdict.slotAt - driver.now)
        // It comes back when it is asked to.
        driver.advance(verdict.slotAt - driver.now + 3)
      }
    }
    expect(waits.length).toBeGreaterThan(500)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(1000)
    expect(sent).toBeLessThan(100)
  })
})

describe("an operator's limit", () => {
  it('sheds above the rate with the instant at which there is room', () => {
    const driver = limited('{ limits: [{ per: agent, rate: 2/s, burst: 2 }] }')
    expect([0, 1, 2].map(() => driver.arrive({}).do)).toEqual(['pass', 'pass', 'shed'])
    expect(driver.lastVerdict.reason).toBe('rate-limit')
    expect(driver.lastVerdict.slotAt - driver.now).toBeGreaterThanOrEqual(499)
    expect(driver.arrive({ agent: 'another' }).do).toBe('pass')
  })

  it('holds at the concurrency until somebody leaves, in order', () => {
    const driver = limited('{ do: hold, limits: [{ per: upstream, concurrency: 1 }] }')
    driver.arrive({ agent: 'first' })
    const first = driver.last
    expect(driver.arrive({ agent: 'second' }).reason).toBe('concurrency-limit')
    const second = driver.last
    driver.arrive({ agent: 'third' })
    driver.answer(first, 200, 10)
    driver.advance(1)
    expect(driver.released).toEqual([second])
  })

  it('is given up with the policy that made it', () => {
    const driver = limited('{ do: hold, limits: [{ per: upstream, concurrency: 1 }] }')
    driver.arrive({})
    driver.arrive({ agent: 'waiting' })
    driver.core.adopt(policyOf('version: 1\nrules: []\n'), driver.now)
    driver.advance(1)
    expect(driver.released).toHaveLength(1)
  })

  it('ends a workflow at its hard budget for good', () => {
    const driver = limited('{ fanOut: { width: 100, calls: 5, depth: 9 } }')
    const verdicts = Array.from({ length: 7 }, () => driver.arrive({ workflow: 'run-1' }))
    expect(verdicts.map((verdict) => verdict.do)).toEqual([...Array(5).fill('pass'), 'shed', 'shed'])
    expect(verdicts.at(-1)).toMatchObject({ reason: 'budget', slotAt: 0 })
  })
})

describe('the books', () => {
  it('draining ends every hold before its time, by release or with a slot', () => {
    const driver = degraded(HOLD_POLICY)
    fillUntilHeld(driver)
    const { held } = driver.upstream()
    driver.core.drain(driver.now, driver.now + 1000)
    driver.advance(1100)
    expect(driver.upstream().held).toBe(0)
    expect(driver.released.length + driver.expired.length).toBeGreaterThanOrEqual(held)
  })

  it('draining lets nobody go whose answer would come too late: it is told in time when to come', () => {
    const driver = limited('{ do: hold, hold: { max: 30s }, limits: [{ per: upstream, concurrency: 1 }] }')
    for (let call = 0; call < 20; call++) {
      driver.arrive({ fingerprint: call })
      driver.answer(driver.last, 200, 400)
    }
    driver.arrive({ fingerprint: 100 })
    const atWork = driver.last
    const waiting = [101, 102, 103].map((fingerprint) => {
      driver.arrive({ fingerprint })
      return driver.last
    })
    const from = driver.now
    driver.core.drain(from, from + 1000)
    driver.answer(atWork, 200, 400)
    driver.advance(1)
    expect(driver.released).toEqual(waiting.slice(0, 1))
    driver.advance(198)
    expect(new Set(driver.expired.map(({ call }) => call))).toEqual(new Set(waiting.slice(1)))
    for (const { reason, slotAt } of driver.expired) {
      expect(reason).toBe('draining')
      expect(slotAt).toBeGreaterThan(from)
    }
    driver.answer(waiting[0]!, 200, 200)
    expect(driver.upstream()).toMatchObject({ inFlight: 0, held: 0 })
  })

  it('draining ends a wait for an instant that comes after it', () => {
    const driver = limited(
      '{ do: hold, hold: { max: 2m }, limits: [{ per: upstream, rate: 1/min, burst: 1 }] }',
    )
    driver.arrive({ fingerprint: 1 })
    expect(driver.arrive({ fingerprint: 2 }).do).toBe('hold')
    driver.core.drain(driver.now, driver.now + 1000)
    driver.advance(1000)
    expect(driver.expired.map(({ reason }) => reason)).toEqual(['draining'])
  })

  it('arrivals = outcomes + open calls at every instant, and all counters return to zero', () => {
    const step = fc.record({
      act: fc.constantFrom('arrive', 'ok', 'drop', 'fail', 'leave', 'wait', 'arrive', 'arrive'),
      pick: fc.nat(1000),
      agent: fc.nat(6),
      wait: fc.integer({ min: 1, max: 3000 }),
      priority: fc.constantFrom(...PRIORITIES),
    })
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 300 }), (steps) => {
        const driver = degraded(`${HOLD_POLICY}
  - name: limit
    mode: enforce
    then: { do: hold, limits: [{ per: agent, concurrency: 3 }, { per: upstream, rate: 50/s, burst: 10 }] }
`)
        for (const { act, pick, agent, wait, priority } of steps) {
          if (act === 'arrive') driver.arrive({ agent: `a-${agent}`, fingerprint: pick % 50, priority })
          else if (act === 'wait') driver.advance(wait)
          else if (act === 'leave') driver.leave(driver.anyOpen(pick))
          else driver.answer(driver.anyInFlight(pick), act === 'ok' ? 200 : act === 'drop' ? 429 : 500, 5)
          driver.assertBooks()
        }
        driver.endAll()
        driver.assertBooks()
        const { held, inFlight, heldBytes } = driver.upstream()
        expect({ open: driver.core.read(driver.now).open, held, inFlight, heldBytes }).toEqual({
          open: 0,
          held: 0,
          inFlight: 0,
          heldBytes: 0,
        })
      }),
      { numRuns: 60 },
    )
  })

  it('same seed and same events give the same verdicts', () => {
    expect(eventful()).toBe(eventful())
  })

  it('refuses a call slot that is still open', () => {
    const core = createCoordinator({
      policy: policyOf('version: 1\nrules: []\n'),
      upstreams: ['api'],
      seed: 1,
    })
    core.arrive(arrivalOf({ call: 3 }))
    expect(() => core.arrive(arrivalOf({ call: 3 }))).toThrow('call slot 3 is still open')
  })
})

function limited(then: string): Driver {
  return new Driver(`version: 1\nrules:\n  - name: limit\n    mode: enforce\n    then: ${then}\n`)
}

/** Healthy for a while, then a stretch of 429s: the upstream is known to be unwell and has a limit. */
function degraded(policy: string): Driver {
  const driver = new Driver(policy)
  for (let call = 0; call < 300; call++) {
    driver.arrive({ agent: `agent-${call % 20}`, fingerprint: call })
    driver.answer(driver.last, 200, 20)
    driver.advance(10)
  }
  for (let call = 0; call < 40; call++) {
    if (driver.arrive({ agent: `agent-${call % 20}`, fingerprint: 1000 + call }).do === 'pass') {
      driver.answer(driver.last, 429, 20)
    }
    driver.advance(10)
  }
  driver.advance(300)
  driver.endAll()
  return driver
}

function fillUntilHeld(driver: Driver): { passed: number; held: number } {
  let passed = -1
  for (let index = 0; index < 200; index++) {
    const verdict = driver.arrive({ agent: `filler-${index}`, fingerprint: 5000 + index })
    if (verdict.do === 'pass') passed = driver.last
    if (verdict.do === 'hold') return { passed, held: driver.last }
  }
  throw new Error('nothing was held')
}

/** 300 calls under trouble, with everything that the core said. */
function eventful(): string {
  const driver = degraded(HOLD_POLICY)
  const seen: string[] = []
  for (let index = 0; index < 300; index++) {
    const verdict = driver.arrive({ agent: `agent-${index % 17}`, fingerprint: index % 40 })
    seen.push(JSON.stringify(verdict))
    if (index % 3 === 0) driver.answer(driver.anyInFlight(index), index % 2 === 0 ? 200 : 429, 7)
    driver.advance(11)
  }
  return seen.join('\n') + driver.released.join() + JSON.stringify(driver.expired)
}
