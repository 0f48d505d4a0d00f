/** Rules that are well formed and cannot mean what they say: found here, so that every word of a file counts. */
import { CONDITIONS, type Condition } from '../core/model.ts'
import { listed, type Complaint, type Path } from './problems.ts'
import type { RuleValue } from './schema.ts'

export interface Contradiction {
  /** Within the rule. */
  readonly path: Path
  readonly complaint: Complaint
}

const UNWELL: ReadonlySet<Condition> = new Set<Condition>(['drifting', 'storming', 'degraded', 'down'])

/** Everything in `rule` that has no effect or fights with the rest of it. */
export function contradictionsOf(rule: RuleValue, deferral: boolean): Contradiction[] {
  const { then, match, when } = rule
  const found: Contradiction[] = []
  const report = (path: Path, what: string, allowed: string, fix: string): void => {
    found.push({ path, complaint: { found: what, allowed, fix, atKey: path.length > 0 } })
  }

  if (Object.keys(then).length === 0) {
    report(
      ['then'],
      'then says nothing',
      'at least one of do, limits, priority, fanOut',
      'say what happens, or remove the rule',
    )
  }
  if (match !== undefined && Object.keys(match).length === 0) {
    report(
      ['match'],
      'match says nothing',
      'at least one key',
      'remove match: a rule without it is about all calls',
    )
  }
  if (when !== undefined && Object.keys(when).length === 0) {
    report(
      ['when'],
      'when says nothing',
      'at least one key',
      'remove when: a rule without it is always awake',
    )
  }
  if (then.final === true && then.do !== 'shed') {
    report(
      ['then', 'final'],
      'final without shed',
      'final only with `do: shed`',
      'write `do: shed`, or remove final',
    )
  }
  if (then.hold !== undefined && then.do !== 'hold') {
    report(
      ['then', 'hold'],
      'hold.max without hold',
      'hold only with `do: hold`',
      'write `do: hold`, or remove hold',
    )
  }
  if (then.do === 'pass' || then.do === 'shed') {
    for (const key of ['limits', 'fanOut'] as const) {
      if (then[key] === undefined) continue
      const why =
        then.do === 'pass' ? 'a call that is exempt meets no limit' : 'a call that is refused meets no limit'
      report(
        ['then', key],
        `${key} with \`do: ${then.do}\`: ${why}`,
        `${key} with hold, or without do`,
        `remove ${key}, or move it to a rule of its own`,
      )
    }
  }
  if (then.do === 'defer' && !deferral && rule.mode === 'enforce') {
    report(
      ['then', 'do'],
      '`do: defer` while deferral is not configured: a promise to answer later could not be kept',
      'pass, hold, shed',
      'configure `deferral:` (docs/deferral.md), write `do: hold`, or try the rule with `mode: shadow`',
    )
  }
  const steers =
    (then.do === 'hold' || then.do === 'defer') && when?.upstream?.some((name) => UNWELL.has(name)) === true
  if (steers && when?.upstream?.includes('recovering') !== true) {
    found.push({
      path: ['when', 'upstream'],
      complaint: {
        severity: 'warning',
        found: `\`do: ${then.do}\` ends when the upstream is recovering: everything that waits would go out at once`,
        allowed: listed(CONDITIONS),
        fix: 'add recovering, so that work is let go step by step',
        atKey: true,
      },
    })
  }
  if (then.fanOut !== undefined && Object.keys(then.fanOut).length === 0) {
    report(
      ['then', 'fanOut'],
      'fanOut says nothing',
      'at least one of width, calls, depth',
      'add a cap, or remove fanOut',
    )
  }
  for (const [index, limit] of (then.limits ?? []).entries()) {
    const path = ['then', 'limits', index]
    if (limit.rate === undefined && limit.concurrency === undefined) {
      report(
        path,
        `a limit per ${limit.per} without a number`,
        'rate, concurrency or both',
        'add one of them',
      )
    }
    if (limit.burst !== undefined && limit.rate === undefined) {
      report([...path, 'burst'], 'burst without rate', 'burst only with rate', 'add rate, or remove burst')
    }
  }
  return found
}
