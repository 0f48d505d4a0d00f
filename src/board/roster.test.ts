import { describe, expect, it } from 'vitest'
import { Roster } from './roster.ts'
import { readSummary, SUMMARY_WORDS, writeSummary } from './summary-format.ts'

const EMPTY = readSummary(Uint8Array.of(1, 0))!.summary

function answer(words: Record<string, number | 'gone'>, epoch = 1) {
  return {
    words: Object.entries(words).map(([replica, sequence]) => ({
      replica,
      word: sequence === 'gone' ? new Uint8Array(0) : writeSummary(EMPTY, sequence),
    })),
    steward: '',
    epoch,
  }
}

describe('the roster', () => {
  it('counts the age of a word from when it first came here', () => {
    const roster = new Roster('me', SUMMARY_WORDS)
    roster.hear(answer({ a: 1 }), 100)
    roster.hear(answer({ a: 1 }), 900)
    expect(roster.view(900, true).peers[0]?.arrivedAt).toBe(100)
    roster.hear(answer({ a: 2 }), 1000)
    expect(roster.view(1000, true).peers[0]?.arrivedAt).toBe(1000)
  })

  it('forgets who said goodbye at once, and who fell silent after half a minute', () => {
    const roster = new Roster('me', SUMMARY_WORDS)
    roster.hear(answer({ a: 1, b: 1 }), 0)
    roster.hear(answer({ a: 'gone', b: 1 }), 500)
    expect(roster.view(500, true).peers.map(({ replica }) => replica)).toEqual(['b'])
    expect(roster.fresh(6000)).toEqual([])
    expect(roster.view(29_000, true).peers).toHaveLength(1)
    expect(roster.view(31_000, true).peers).toEqual([])
  })

  it('takes a board that forgot everything for one that says nothing', () => {
    const roster = new Roster('me', SUMMARY_WORDS)
    roster.hear(answer({ a: 1 }, 7), 0)
    roster.hear(answer({}, 0), 500)
    expect(roster.fresh(500)).toHaveLength(1)
    expect(roster.epoch).toBe(7)
  })

  it('counts words that it cannot read, and goes on', () => {
    const roster = new Roster('me', SUMMARY_WORDS)
    roster.hear({ words: [{ replica: 'a', word: Uint8Array.of(9, 9) }], steward: '', epoch: 0 }, 0)
    expect([roster.unreadable, roster.fresh(0).length]).toEqual([1, 0])
  })
})
