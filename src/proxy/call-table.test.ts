// oxlint-disable typescript/no-unsafe-type-assertion -- the table never looks into what it is given
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Call } from './call.ts'
import { CallTable } from './call-table.ts'

function begin(table: CallTable): Call {
  const nothing = undefined as never
  return table.begin(nothing, nothing, nothing, nothing, '/', 0, nothing)
}

test('numbers are the lowest free ones, whatever the order of beginnings and ends', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constant('begin' as const), fc.nat(20)), { maxLength: 200 }),
      (steps) => {
        const table = new CallTable()
        const open: Call[] = []
        const wrong: string[] = []
        for (const step of steps) {
          if (step === 'begin') {
            const taken = new Set(open.map(({ slot }) => slot))
            let lowest = 0
            while (taken.has(lowest)) lowest += 1
            const call = begin(table)
            if (call.slot !== lowest || call.arrival.call !== lowest) wrong.push(`${call.slot} for ${lowest}`)
            open.push(call)
          } else if (open.length > 0) {
            const [call] = open.splice(step % open.length, 1)
            if (!table.end(call!)) wrong.push(`no end of ${call!.slot}`)
          }
          expect(table.open).toBe(open.length)
          for (const call of open) expect(table.bySlot(call.slot)).toBe(call)
        }
        expect(wrong).toEqual([])
      },
    ),
  )
})

test('a call ends once; what remembers it cannot end its successor', () => {
  const table = new CallTable()
  const first = begin(table)
  expect(table.end(first)).toBe(true)
  const second = begin(table)
  expect(second.slot).toBe(first.slot)
  expect(second.id).not.toBe(first.id)
  expect(table.end(first)).toBe(false)
  expect(table.bySlot(second.slot)).toBe(second)
})

test('the record for the core is reused, so a thousand calls one after the other need one', () => {
  const table = new CallTable()
  const records = new Set()
  for (let n = 0; n < 1000; n++) {
    const call = begin(table)
    records.add(call.arrival)
    table.end(call)
  }
  expect(records.size).toBe(1)
})
