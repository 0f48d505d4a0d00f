/** The journal of a simulated run as lines in memory: the real core and the real recorder, in virtual time. */
import type { Policy } from '../../src/core/policy.ts'
import { createShownNames } from '../../src/journal/hash-ids.ts'
import { headerLine } from '../../src/journal/header.ts'
import type { CallLine, HeaderLine, JournalLine } from '../../src/journal/line.ts'
import { recordCore, type RecordedCore } from '../../src/journal/record.ts'
import { carried } from './carried.ts'
import { play, type Scenario } from './sim/scenario.ts'

export interface RecordedLines {
  readonly header: HeaderLine
  readonly lines: readonly JournalLine[]
}

/** Plays a scenario under `policy` and returns what its journal would hold. */
export function recordedLines(scenario: Scenario, policy: Policy): RecordedLines {
  const upstreams = Object.keys(scenario.upstreams)
  const header = headerLine(
    {
      source: 'weir test',
      upstreams,
      part: 1,
      run: scenario.name,
      core: { seed: scenario.seed, agents: 10_000, workflows: 16_384 },
      policies: 'then',
      hashedIds: false,
    },
    Date.UTC(2026, 0, 15, 9),
  )
  const lines: JournalLine[] = [header]
  let recorded: RecordedCore | undefined
  play(scenario, policy, (core) => {
    recorded = recordCore(core, {
      upstreams,
      policy,
      digest: () => 'then',
      shown: createShownNames({ key: Buffer.alloc(32, 1), hashIds: false, paths: true }),
      paths: true,
      sink: (bytes, length) => lines.push(JSON.parse(bytes.toString('utf8', 0, length)) as JournalLine),
    })
    return carried(recorded)
  })
  recorded?.finish()
  return { header, lines }
}

export async function* inBatches(
  lines: readonly JournalLine[],
  size = 256,
): AsyncGenerator<readonly JournalLine[]> {
  for (let from = 0; from < lines.length; from += size) {
    await Promise.resolve()
    yield lines.slice(from, from + size)
  }
}

export function callsOf(lines: readonly JournalLine[]): CallLine[] {
  return lines.filter((line) => line.kind === 'call')
}
