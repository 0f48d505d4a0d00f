/**
 * A small journal for reports: 40 s, two upstreams, agents that retry together while one of them drifts, and a
 * workflow that fans out. Lines as the recorder would write them, by the ends of calls; the same seed gives the same.
 */
import type { Millis } from '../../src/core/model.ts'
import { seeded } from '../../src/core/random.ts'
import type { CallLine, EventLine, HeaderLine, JournalLine } from '../../src/journal/line.ts'

export const REPORT_START = Date.UTC(2026, 2, 12, 14, 3, 0)

export function header(changes: Partial<HeaderLine> = {}): HeaderLine {
  return {
    kind: 'journal',
    version: 1,
    source: 'weir test',
    startedAt: new Date(REPORT_START).toISOString(),
    upstreams: ['idp', 'model'],
    part: 1,
    run: 'run-1',
    core: { seed: 1, agents: 100, workflows: 100 },
    hashedIds: false,
    ...changes,
  }
}

let made = 0

/** A call that was passed and answered after 100 ms, changed as asked. */
export function call(changes: Partial<CallLine> = {}): CallLine {
  made += 1
  return {
    kind: 'call',
    id: `call-${made}`,
    at: 0,
    order: [4 * made, 4 * made + 1, 4 * made + 2, 4 * made + 3],
    slot: 0,
    upstream: 'idp',
    agent: 'agent-1',
    trust: 'claimed',
    method: 'POST',
    route: '/v1/verify',
    priority: 'normal',
    family: 'openai-js',
    bytes: 100,
    fingerprint: made,
    verdict: { do: 'pass', reason: 'healthy' },
    sentMs: 0,
    headMs: 100,
    endMs: 100,
    status: 200,
    settled: 'success',
    answered: true,
    outcome: 'passed',
    bytesIn: 100,
    bytesOut: 900,
    ...changes,
  }
}

/** One that was refused by the upstream at once. */
export function throttled(changes: Partial<CallLine> = {}): CallLine {
  return call({ headMs: 5, endMs: 5, status: 429, settled: 'dropped', bytesOut: 50, ...changes })
}

/** One that its client gave up before there was an answer. */
export function abandoned(changes: Partial<CallLine> = {}): CallLine {
  const {
    headMs: _head,
    answered: _answered,
    ...rest
  } = call({
    endMs: 2000,
    status: 0,
    settled: 'cancelled',
    outcome: 'client-gone',
    bytesOut: 0,
    ...changes,
  })
  return rest
}

export function event(name: EventLine['name'], at: Millis, changes: Partial<EventLine> = {}): EventLine {
  return { kind: 'event', at, name, upstream: 'idp', readings: {}, ...changes }
}

/** @param mode `enforce`: from 15 s on calls are held and turned away instead of failing */
export function reportJournal(mode: 'shadow' | 'enforce' = 'shadow'): readonly JournalLine[] {
  made = 0
  const random = seeded(11)
  const lines: { at: Millis; line: JournalLine }[] = []
  const add = (line: CallLine): void => void lines.push({ at: line.at + line.endMs, line: rounded(line) })
  for (let at = 0; at < 40_000; at += 50) {
    const agent = `agent-${String(Math.floor(random() * 12)).padStart(2, '0')}`
    const upstream = random() < 0.5 ? 'idp' : 'model'
    const isIll = upstream === 'idp' && at >= 15_000 && at < 27_000
    const ms = 80 + 60 * random() + (isIll ? (at - 15_000) / 8 : 0)
    const common = { at, agent, upstream, workflow: `${agent}-run`, headMs: ms, endMs: ms }
    const rule = 'test/hold-when-unwell'
    if (!isIll) add(call(common))
    else if (mode === 'enforce' && random() < 0.4) {
      add(
        call({
          ...common,
          verdict: { do: 'hold', reason: 'drift', rule },
          heldMs: 400,
          sentMs: 400,
          headMs: 500,
          endMs: 520,
          outcome: 'passed-after-hold',
        }),
      )
    } else if (mode === 'enforce') {
      const {
        sentMs: _s,
        headMs: _h,
        settled: _e,
        answered: _a,
        ...refused
      } = call({
        ...common,
        verdict: { do: 'shed', reason: 'saturated', rule },
        slotMs: 3000,
        endMs: 0,
        status: 429,
        outcome: 'shed',
      })
      add(refused)
    } else {
      const verdict = {
        do: 'pass',
        reason: 'healthy',
        shadow: { do: 'hold', reason: 'drift', rule },
      } as const
      add(throttled({ ...common, verdict, headMs: 5, endMs: 5 }))
      for (let attempt = 2; attempt <= 3; attempt++) {
        const again = { ...common, verdict, at: at + attempt * 400 + 50 * random(), attempt }
        add(attempt === 3 ? abandoned(again) : throttled({ ...again, headMs: 5, endMs: 5 }))
      }
    }
  }
  for (const line of tree(30_000)) add(line)
  const readings = { slowdown: 2.4, errorShare: 0.5, limit: null }
  const events: EventLine[] = [
    event('condition-changed', 15_400, { from: 'healthy', to: 'drifting', readings }),
    event('drift-started', 15_400, { from: 'healthy', to: 'slow', readings }),
    event('condition-changed', 17_000, { from: 'drifting', to: 'storming', readings }),
    event('storm-started', 17_000, { readings: { ...readings, root: 0, retryingAgents: 9 } }),
    event('storm-ended', 28_000, { readings }),
    event('condition-changed', 28_000, { from: 'storming', to: 'recovering', readings }),
    event('drift-ended', 33_000, { from: 'slow', to: 'healthy', readings }),
    event('condition-changed', 33_000, { from: 'recovering', to: 'healthy', readings }),
  ]
  for (const line of events) lines.push({ at: line.at, line })
  const written = lines.toSorted((a, b) => a.at - b.at).map(({ line }) => line)
  return [header(), ...numbered(written)]
}

/** With the numbers of what the core would have been told, in the order of time. */
function numbered(lines: readonly JournalLine[]): JournalLine[] {
  const told = lines.flatMap((line, index) => {
    if (line.kind !== 'call') return []
    const { at, sentMs, headMs, endMs, settled } = line
    const ends = [0, sentMs, headMs, settled === undefined ? undefined : endMs]
    return ends.flatMap((ms, step) => (ms === undefined ? [] : [{ index, step, at: at + ms }]))
  })
  const orders: number[][] = lines.map(() => [])
  const inTime = told.toSorted((a, b) => a.at - b.at || a.index - b.index || a.step - b.step)
  for (const [order, { index }] of inTime.entries()) orders[index]?.push(order)
  return lines.map((line, index) => (line.kind === 'call' ? { ...line, order: orders[index] ?? [] } : line))
}

/** A planner that asks three leads at once, each of which asks four researchers at once. */
function tree(at: Millis): CallLine[] {
  const own = { workflow: 'plan-1', upstream: 'model', route: '/v1/messages' }
  const lines = [call({ ...own, agent: 'planner', at })]
  for (let lead = 1; lead <= 3; lead++) {
    lines.push(call({ ...own, agent: `lead-${lead}`, parent: 'planner', at: at + 150 + lead }))
    for (let index = 1; index <= 4; index++) {
      const agent = `researcher-${lead}-${index}`
      lines.push(call({ ...own, agent, parent: `lead-${lead}`, at: at + 300 + lead * 5 + index }))
    }
  }
  return lines
}

function rounded(line: CallLine): CallLine {
  return {
    ...line,
    at: whole(line.at),
    endMs: whole(line.endMs),
    ...(line.headMs === undefined ? {} : { headMs: whole(line.headMs) }),
  }
}

/** To the microsecond, as a journal has it. */
function whole(ms: Millis): Millis {
  return Math.round(ms * 1000) / 1000
}

export async function* batches(lines: readonly JournalLine[]): AsyncGenerator<readonly JournalLine[]> {
  for (let from = 0; from < lines.length; from += 100) yield lines.slice(from, from + 100)
}
