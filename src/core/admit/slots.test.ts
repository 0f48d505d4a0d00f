import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seeded } from '../random.ts'
import { Slots, type Precision, type SlotRequest } from './slots.ts'

const policy = { maxMs: 59_000, graceMs: 2000 }

function request(more: Partial<SlotRequest> = {}): SlotRequest {
  return { earliest: 0, ratePerSecond: 50, share: 1, ceilingMs: Infinity, precision: 'ms', ...more }
}

/** Mean distance of slots at 50/s after so many callers that never came back. */
function width(noShows: number): number {
  const slots = new Slots(policy)
  for (let key = 0; key < noShows; key++) slots.reserve(key, 0, request())
  slots.tick(200_000)
  expect(slots.size).toBe(0)
  const all = Array.from({ length: 101 }, (_, i) => slots.reserve(10_000 + i, 300_000, request()))
  return (Math.max(...all) - Math.min(...all)) / 100
}

describe('Slots', () => {
  it('starts from the present after an idle hour, not from the end of an old timetable', () => {
    const slots = new Slots(policy)
    slots.reserve(1, 0, request())
    const at = 3_600_000
    const slotAt = slots.reserve(2, at, request())
    expect(slotAt).toBeGreaterThanOrEqual(at)
    expect(slotAt).toBeLessThan(at + 25)
    expect(slots.size).toBe(1)
  })

  it('spreads a burst of one instant over the time that the rate needs', () => {
    const slots = new Slots(policy)
    const all = Array.from({ length: 450 }, (_, key) => slots.reserve(key, 0, request({ earliest: 5000 })))
    expect(Math.min(...all)).toBeGreaterThanOrEqual(5000)
    expect(Math.max(...all)).toBeLessThan(15_100)
    const perBin = new Map<number, number>()
    for (const slotAt of all)
      perBin.set(Math.floor(slotAt / 100), (perBin.get(Math.floor(slotAt / 100)) ?? 0) + 1)
    expect(Math.max(...perBin.values())).toBeLessThanOrEqual(6)
  })

  it('knows who comes because it was asked to: not before its time, not long after, and not a stranger', () => {
    const slots = new Slots(policy)
    const slotAt = slots.reserve(1, 0, request({ earliest: 10_000 }))
    const asked = [slotAt - 600, slotAt - 400, slotAt + 1000, slotAt + 10_000].map((at) =>
      slots.invited(1, at),
    )
    expect(asked).toEqual([false, true, true, false])
    expect(slots.invited(2, slotAt)).toBe(false)
  })

  it('gives a caller that comes early the same slot again, and a later one when the upstream asks for later', () => {
    const slots = new Slots(policy)
    const slotAt = slots.reserve(7, 0, request({ earliest: 3000 }))
    expect(slots.reserve(7, 1000, request())).toBe(slotAt)
    expect([slots.size, slots.promisedTo(7)]).toEqual([1, slotAt])
    expect(slots.reserve(7, 1000, request({ earliest: 9000 }))).toBeGreaterThanOrEqual(9000)
    expect(slots.size).toBe(1)
  })

  it("gives each of a caller's equal calls an instant of its own, and some of them a place", () => {
    const slots = new Slots(policy)
    const all = Array.from({ length: 200 }, () => slots.reserve(7, 0, request({ another: true })))
    expect(new Set(all).size).toBe(200)
    const coming = all.toSorted((one, other) => one - other)
    expect(coming.map((slotAt) => slots.invited(7, slotAt) && slots.claim(7, slotAt) > 0)).toEqual(
      coming.map((_, index) => index < 16),
    )
    expect([slots.size, slots.mayKnow(7), slots.nextExpiry()]).toEqual([0, false, Infinity])
  })

  it('keeps one caller from taking the whole table, or the timetable from the others', () => {
    const slots = new Slots(policy)
    for (let call = 0; call < 1000; call++) slots.reserve(7, 0, request({ another: true }))
    expect(slots.size).toBe(512)
    expect(slots.reserve(8, 0, request())).toBeLessThan(17 * 25)
    slots.tick(200_000)
    expect(slots.size).toBe(0)
  })

  it('lets a promise be claimed once, from half a second early to the end of its grace', () => {
    const claims = [-501, -500, 0, 2500, 2501].map((off) => {
      const slots = new Slots(policy)
      const slotAt = slots.reserve(1, 0, request({ earliest: 10_000 }))
      const late = off > 0 ? (slotAt / 4) * (off / 2500) : off
      return [slots.claim(1, slotAt + late) > 0, slots.claim(1, slotAt + late) > 0]
    })
    expect(claims).toEqual([
      [false, false],
      [true, false],
      [true, false],
      [true, false],
      [false, false],
    ])
  })

  it('forgets a promise that nobody claimed, and then packs the timetable tighter, to a bound', () => {
    expect(width(0)).toBeGreaterThan(21.5)
    expect(width(20)).toBeLessThan(17)
    expect(width(1000)).toBeGreaterThan(12.5)
  })

  it('keeps everyone within the ceiling when the timetable is full, and does not let them claim a place', () => {
    const slots = new Slots(policy)
    const all = Array.from({ length: 400 }, (_, key) => slots.reserve(key, 0, request({ ceilingMs: 5000 })))
    expect(Math.max(...all)).toBeLessThanOrEqual(5000)
    expect(new Set(all).size).toBe(400)
    expect(slots.claim(0, all[0] ?? 0)).toBe(all[0])
    expect(slots.claim(399, all[399] ?? 0)).toBe(0)
    expect(slots.reserve(399, 4000, request({ ceilingMs: 5000 }))).toBeGreaterThanOrEqual(4975)
  })

  it('asks a client back within its ceiling even when the upstream asks for later', () => {
    const slots = new Slots(policy)
    expect(slots.reserve(1, 0, request({ earliest: 300_000 }))).toBeLessThanOrEqual(59_000)
    expect(slots.reserve(1, 10, request({ earliest: 300_000 }))).toBe(slots.promisedTo(1))
    expect(slots.reserve(2, 0, request({ earliest: 300_000, ceilingMs: 5000 }))).toBeLessThanOrEqual(5000)
  })

  it('spreads callers also when nothing is known of the rate', () => {
    const slots = new Slots(policy)
    const all = Array.from({ length: 50 }, (_, key) => slots.reserve(key, 0, request({ ratePerSecond: 0 })))
    expect(new Set(all.map((slotAt) => Math.floor(slotAt / 100))).size).toBeGreaterThan(45)
  })

  it('keeps the replicas of a fleet in their own part of each cell', () => {
    const phases = [0, 1].map((index) => {
      const slots = new Slots(policy)
      slots.phase(index, 2)
      return Array.from(
        { length: 50 },
        (_, key) => (slots.reserve(key, 0, request({ ratePerSecond: 10 / 0.9 })) % 100) / 100,
      )
    })
    expect(Math.max(...(phases[0] ?? []))).toBeLessThanOrEqual(0.5)
    expect(Math.min(...(phases[1] ?? []))).toBeGreaterThanOrEqual(0.5)
  })

  it('tells whole-second clients a time from which less than a second is left to their slot', () => {
    const slots = new Slots(policy)
    for (let key = 0; key < 200; key++) {
      const slotAt = slots.reserve(key, 0, request({ precision: 'seconds' }))
      const seconds = Math.floor(slotAt / 1000)
      expect(seconds).toBeGreaterThanOrEqual(1)
      expect(slotAt - seconds * 1000).toBeGreaterThanOrEqual(0)
      expect(slotAt - seconds * 1000).toBeLessThan(1000)
      expect(slots.invited(key, seconds * 1000)).toBe(true)
    }
  })

  it('gives no two open promises of one upstream the same instant, all in time and none before it is allowed', () => {
    const step = fc.record({
      gap: fc.nat(200),
      key: fc.nat(1000),
      claim: fc.boolean(),
      ahead: fc.integer({ min: 0, max: 8000 }),
      rate: fc.constantFrom(0, 0.5, 10, 200, 1e5, Infinity),
      share: fc.constantFrom(0.05, 0.2, 1),
      ceilingMs: fc.constantFrom(0, 1000, 5000, Infinity),
      precision: fc.constantFrom<Precision>('ms', 'seconds', 'none'),
      lane: fc.nat(3),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const slots = new Slots({ maxMs: 6000, graceMs: 2000 })
        const open = new Map<number, number>()
        let at = 1000
        for (const { gap, key, claim, ahead, rate, share, ceilingMs, precision, lane } of steps) {
          at += gap
          if (claim) {
            slots.claim(key, at)
            for (const known of open.keys()) if (slots.promisedTo(known) === 0) open.delete(known)
            continue
          }
          const earliest = at + ahead
          const slotAt = slots.reserve(key, at, {
            earliest,
            ratePerSecond: rate,
            share,
            ceilingMs,
            precision,
            lane,
          })
          const latest = at + Math.min(6000, ceilingMs === 0 ? Infinity : ceilingMs)
          expect(slotAt).toBeLessThanOrEqual(latest)
          expect(slotAt).toBeGreaterThanOrEqual(at)
          expect(slotAt >= earliest || earliest >= latest).toBe(true)
          open.set(key, slotAt)
          for (const known of open.keys()) if (slots.promisedTo(known) === 0) open.delete(known)
          expect(new Set(open.values()).size).toBe(open.size)
        }
        slots.tick(at + 60_000)
        expect([slots.size, slots.nextExpiry()]).toEqual([0, Infinity])
      }),
    )
  })

  it('remembers no more than its table holds, and still spreads the rest', () => {
    const slots = new Slots(policy)
    const all = Array.from({ length: 10_000 }, (_, key) =>
      slots.reserve(key, 0, request({ ratePerSecond: 1 })),
    )
    expect(slots.size).toBe(8192)
    expect(new Set(all.slice(8192)).size).toBe(10_000 - 8192)
  })

  /** algorithms.md 3(7): 500 refused agents, capacity 50/s back at 5 s, an upstream queue of half a second. */
  it.each<Precision>(['ms', 'seconds'])(
    'brings 500 refused agents back in 16 s without a herd (%s)',
    (precision) => {
      const random = seeded(7)
      const slots = new Slots(policy)
      const ask = (key: number, at: number): number => {
        const slotAt = slots.reserve(key, at, request({ earliest: Math.max(at, 5000), precision }))
        const told =
          precision === 'seconds' ? Math.floor((slotAt - at) / 1000) * 1000 : Math.ceil(slotAt - at)
        return at + told + 2 + 13 * random()
      }
      const arrivals = Array.from({ length: 500 }, (_, key) => ({
        key,
        at: ask(key, 1000 * random()),
        held: false,
      }))
      const bins = new Map<number, number>()
      let [attempts, busyUntil, doneAt] = [0, 5000, 0]
      while (arrivals.length > 0) {
        arrivals.sort((a, b) => b.at - a.at)
        const { key, at, held } = arrivals.pop() ?? { key: -1, at: 0, held: false }
        const slotAt = slots.promisedTo(key)
        // Less than a second early: held to the very instant.
        if (!held && slotAt > at) {
          arrivals.push({ key, at: slotAt, held: true })
          continue
        }
        slots.claim(key, at)
        attempts += 1
        bins.set(Math.floor(at / 100), (bins.get(Math.floor(at / 100)) ?? 0) + 1)
        if (busyUntil - at > 500) arrivals.push({ key, at: ask(key, at), held: false })
        else {
          busyUntil = Math.max(busyUntil, at) + 20
          doneAt = busyUntil
        }
      }
      expect(attempts / 500).toBeLessThanOrEqual(1.1)
      expect(doneAt).toBeLessThan(precision === 'ms' ? 16_500 : 17_500)
      expect(Math.max(...bins.values())).toBeLessThanOrEqual(7)
    },
  )
})
