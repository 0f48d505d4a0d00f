/** An explanation for a terminal: the verdict first, then the rules in order, then what would change it. */
import type { UpstreamPolicy } from '../core/policy.ts'
import { formatDuration } from '../policy/units.ts'
import type { Explanation, RuleAnswer } from './explanation.ts'

export function explanationText(answer: Explanation): string {
  const { question } = answer
  const lines = [
    `${question.method.toUpperCase()} ${question.path} by ${question.agent} (${question.priority}) to ${question.upstream}, which is ${question.condition}:`,
    `  the call ${answer.outcome}.`,
  ]
  if (answer.decides !== undefined) lines.push(`  decided by ${answer.decides}`)
  if (answer.shadow !== undefined)
    lines.push(`  ${answer.shadow} would have decided, and is only recorded (shadow)`)
  lines.push('', 'Rules, in order:')
  for (const [index, rule] of answer.rules.entries()) lines.push(...ruleLines(rule, index + 1))
  if (answer.rules.length === 0) lines.push('  none')
  if (answer.changes.length > 0)
    lines.push('', 'Otherwise:', ...answer.changes.map((change) => `  ${change}`))
  lines.push('', `Thresholds in force at ${question.upstream}:`, ...thresholdLines(answer.thresholds))
  return `${lines.join('\n')}\n`
}

const STATES: Readonly<Record<RuleAnswer['state'], string>> = {
  acts: 'takes part',
  sleeps: 'matches, sleeps',
  other: 'not about this call',
  off: 'is off',
}

export function ruleLines(rule: RuleAnswer, number: number): string[] {
  const decides = rule.decides ? ', decides' : ''
  const lines = [`  ${number}. ${rule.id} (${rule.mode}) ${STATES[rule.state]}${decides}   ${rule.place}`]
  if (rule.state === 'acts') lines.push(`       then ${JSON.stringify(rule.then)}`)
  if (rule.state !== 'off') {
    for (const miss of rule.misses) lines.push(`       ${miss.key} wants ${miss.wanted}; it is ${miss.given}`)
  }
  return lines
}

function thresholdLines(policy: UpstreamPolicy): string[] {
  const { drift, storm, limit, retryBudget, hold, slots, release } = policy
  return [
    `  drifting    evidence of slowness ${drift.slowAlarm} and median x${drift.slowEffect}, of errors ${drift.errorAlarm}; clear after ${formatDuration(drift.clearMs)}`,
    `  storming    ${storm.agents} agents and ${percent(storm.agentShare)} of the active retry in ${formatDuration(storm.windowMs)}, ${percent(storm.retryShare)} of attempts; clear after ${formatDuration(storm.clearMs)}`,
    `  limit       ${limit.min} to ${limit.max} calls at once, x${limit.lossFactor} at a loss, slowdown x${limit.tolerance} tolerated`,
    `  retries     ${percent(retryBudget.ratio)} of successes and ${retryBudget.perSecond}/s, at most ${retryBudget.cap} saved up`,
    `  hold        ${formatDuration(hold.maxMs)}, ${hold.maxCalls} calls, ${hold.maxPerAgent} per agent`,
    `  slots       within ${formatDuration(slots.maxMs)}, kept for ${formatDuration(slots.graceMs)}`,
    `  release     ${release.probePasses} probes, then ${percent(release.start)} of the healthy rate, x${release.growth} per ${formatDuration(release.windowMs)}`,
  ]
}

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10}%`
}
