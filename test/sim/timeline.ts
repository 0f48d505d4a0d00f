/** A run in a few lines that people can read: what was announced, and counts every few seconds around the trouble. */
import type { Millis } from '../../src/core/model.ts'
import type { Run, Scenario } from '../kit/sim/scenario.ts'
import type { Score } from '../kit/sim/score.ts'

const STEP_MS = 5000
const BEFORE_MS = 5000
const AFTER_MS = 40_000

export function timelineOf(scenario: Scenario, run: Run, score: Score): string {
  const { from, until, upstream } = scenario.trouble
  const lines = [
    `${scenario.name}, seed ${scenario.seed}: trouble from ${seconds(from)} to ${seconds(until)}`,
    '',
  ]
  lines.push('  from s   born sent answered held refused')
  const arrivals = run.upstreams[upstream]?.arrivals ?? []
  for (let at = from - BEFORE_MS; at < until + AFTER_MS; at += STEP_MS) {
    const within = (instant: Millis): boolean => instant >= at && instant < at + STEP_MS
    const counts = [
      run.calls.filter((call) => call.population.upstream === upstream && within(call.bornAt)).length,
      arrivals.filter(within).length,
      run.calls.filter((call) => call.population.upstream === upstream && call.ok && within(call.endedAt))
        .length,
      run.acts.filter((act) => act.do === 'hold' && within(act.at)).length,
      run.acts.filter((act) => act.do !== 'hold' && within(act.at)).length,
    ]
    lines.push(`  ${seconds(at).padStart(7)}${counts.map((count) => String(count).padStart(6)).join('')}`)
  }
  lines.push('')
  for (const { name, at, upstream: index, from: was, to } of run.events) {
    if (name === 'limit-changed' || name === 'probe-failed') continue
    const change = was === undefined ? '' : ` ${was} -> ${to}`
    lines.push(`  ${seconds(at).padStart(7)} ${Object.keys(scenario.upstreams)[index]} ${name}${change}`)
  }
  lines.push(
    '',
    ...Object.entries(score).map(([name, value]) => `  ${name} ${(value as number).toFixed(2)}`),
    '',
  )
  return lines.join('\n')
}

function seconds(at: Millis): string {
  return (at / 1000).toFixed(1)
}
