import { describe, expect, it } from 'vitest'
import { liveAgent as agent, liveFrame as frame, liveUpstream as upstream } from '../../test/kit/frames.ts'
import type { EventView } from '../admin/views.ts'
import { keysOf, painted } from './top-terminal.ts'
import { screen, sortedBy, wholePage, type Line, type TopState } from './top-view.ts'

const event = (text: string): EventView => ({
  name: 'drift-started',
  time: '2026-01-01T00:00:00.000Z',
  upstream: 'idp',
  readings: {},
  text,
})

const state = (changes: Partial<TopState> = {}): TopState => ({
  frame: frame(),
  events: [],
  tab: 'agents',
  sort: { agents: 0, workflows: 0, events: 0 },
  lostSince: undefined,
  ...changes,
})

const text = (lines: readonly Line[]): string[] =>
  lines.map((line) =>
    line
      .map((span) => span.text)
      .join('')
      .trimEnd(),
  )

describe('the screen of weir top', () => {
  it('is exactly as high as the terminal, however much there is to show', () => {
    const crowded = frame({
      upstreams: Array.from({ length: 60 }, (_, at) => upstream(`up-${at}`)),
      agents: Array.from({ length: 40 }, (_, at) => agent(`agent-${at}`)),
    })
    for (const rows of [1, 5, 10, 24, 50, 200]) {
      for (const tab of ['agents', 'workflows', 'events'] as const) {
        const events = Array.from({ length: 200 }, () => event('drift started'))
        expect(screen(state({ frame: crowded, events, tab }), rows)).toHaveLength(rows)
      }
    }
  })

  it('shows the worst upstream first, and how many do not fit', () => {
    const upstreams = [
      ...Array.from({ length: 30 }, (_, at) => upstream(`up-${at}`)),
      upstream('bad', { condition: 'down' }),
    ]
    const lines = text(screen(state({ frame: frame({ upstreams }) }), 24))
    expect(lines[2]).toMatch(/^bad +✕ down/)
    expect(lines.some((line) => /^… \d+ more$/.test(line))).toBe(true)
  })

  it('puts every figure of a table under its label', () => {
    const [, head = '', row = ''] = text(screen(state(), 24))
    for (const [label, value] of [
      ['P50', '412ms'],
      ['P99', '1.50s'],
      ['DRIFT', '0.25'],
      ['LIMIT', 'none'],
    ] as const) {
      const end = head.indexOf(label) + label.length
      expect([label, row.slice(end - value.length, end)]).toEqual([label, value])
    }
  })

  it('sorts by another column at every press, and comes round', () => {
    const agents = [agent('few', { calls: 1, retriesPerSecond: 9 }), agent('many', { calls: 99 })]
    const first = (presses: number): string => {
      const sort = { agents: presses, workflows: 0, events: 0 }
      const lines = text(screen(state({ frame: frame({ agents }), sort }), 24))
      return lines[lines.findIndex((line) => line.startsWith('AGENT')) + 1]?.split(' ')[0] ?? ''
    }
    expect(sortedBy({ tab: 'agents', sort: { agents: 2, workflows: 0, events: 0 } })).toBe('CALLS')
    expect([first(0), first(2), first(7)]).toEqual(['few', 'many', 'few'])
  })

  it('says since when it is disconnected', () => {
    expect(text(screen(state({ lostSince: Date.now() }), 24))[0]).toMatch(
      /disconnected since \d\d:\d\d:\d\d, trying again$/,
    )
  })

  it('says what to do when no agent has called yet', () => {
    const lines = text(screen(state({ frame: frame({ agents: [], agentsKnown: 0 }) }), 24))
    expect(lines).toContain('No agent has called yet: point its base URL at http://127.0.0.1:8080/idp')
  })

  it('lets no text of outside speak to the terminal', () => {
    const evil = '\u001B]0;owned\u0007\u001B[2J\u202Ename'
    const shown = [
      ...screen(
        state({
          frame: frame({ agents: [agent(evil)], upstreams: [upstream(evil)] }),
          events: [event(evil)],
        }),
        30,
      ),
      ...wholePage({ frame: frame({ agents: [agent(evil)] }), events: [event(evil)] }),
    ]
    expect(shown.flatMap((line) => line.filter((span) => /[\p{Cc}\p{Cf}]/u.test(span.text)))).toEqual([])
  })
})

describe('a painted line', () => {
  const line: Line = [
    { text: 'abc', style: 'bold' },
    { text: 'def', style: 'plain' },
  ]

  it('is cut at the width of the terminal, whatever its colours', () => {
    expect(painted(line, 4, false)).toBe('abcd')
    expect(painted(line, 4, true)).toBe('\u001B[1mabc\u001B[0md')
    expect(painted(line, 0, true)).toBe('')
  })

  it('has no control characters without colours', () => {
    expect(painted(line, 100, false)).toBe('abcdef')
  })
})

it('keys come one by one, arrows by name, unknown sequences as nothing', () => {
  expect(keysOf('q1\u001B[C\u001B[D\u001B[A\u001BOD\u001B[15~s')).toEqual([
    'q',
    '1',
    'right',
    'left',
    'left',
    's',
  ])
})
