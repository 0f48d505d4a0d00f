/** The explanation of a call of a journal for a terminal. */
import type { CallExplanation, ExplainedVerdict } from './explanation-call.ts'
import { ruleLines } from './explanation-text.ts'

export function callExplanationText(answer: CallExplanation): string {
  const { call, readings, explanation, lastChange } = answer
  const { question } = explanation
  const lines = [
    `${call.id}, ${call.at}:`,
    `${question.method} ${question.path} by ${call.agent} (${question.priority}) to ${call.upstream}`,
    '',
    `  then  ${told(answer.taken)}`,
    `  now   ${told(answer.replayed)}${answer.same ? '' : '   (these are not the policies of then, or not the Weir of then)'}`,
  ]
  if (!answer.exact)
    lines.push('  The journal is not whole up to this call: the moment is only nearly that of then.')
  lines.push('', 'At that moment:', ...readingLines(`upstream ${call.upstream}`, readings.upstream))
  if (lastChange !== undefined) {
    lines.push(`    was ${lastChange.from} until ${lastChange.secondsBefore} s before`)
  }
  lines.push(...readingLines(`agent ${call.agent}`, readings.agent))
  lines.push(
    ...readingLines(`workflow ${call.workflow === '' ? '(inferred)' : call.workflow}`, readings.workflow),
  )
  lines.push('', 'Rules, in order:')
  for (const [index, rule] of explanation.rules.entries()) {
    // The core has the last word on who decided.
    lines.push(
      ...ruleLines(
        { ...rule, decides: rule.id === answer.replayed.rule && answer.replayed.rule !== '' },
        index + 1,
      ),
    )
  }
  if (explanation.rules.length === 0) lines.push('  none')
  lines.push('', 'What would change it:', ...changeLines(answer))
  return `${lines.join('\n')}\n`
}

function changeLines({ variations, explanation, replayed }: CallExplanation): string[] {
  const flips = variations.filter(({ changes }) => changes)
  const lines = flips.map(({ name, verdict }) => `  ${name}: ${told(verdict)}`)
  if (replayed.do === 'pass') lines.push(...explanation.changes.map((change) => `  ${change}`))
  const same = variations.filter(({ changes }) => !changes).map(({ name }) => name)
  if (lines.length === 0) lines.push('  nothing that was tried')
  return same.length === 0 ? lines : [...lines, `  Not changed: ${same.join('; ')}.`]
}

function told(verdict: ExplainedVerdict): string {
  const by = verdict.rule === '' ? '' : ` by ${verdict.rule}`
  const slot =
    verdict.slotMs === undefined || verdict.do === 'pass' ? '' : `, asked back after ${ms(verdict.slotMs)}`
  const hold = verdict.hold === undefined ? '' : `, ${verdict.hold.ending} after ${ms(verdict.hold.ms)}`
  const { shadow } = verdict
  const foreseen = shadow === undefined ? '' : `; in shadow ${shadow.do} (${shadow.reason}) by ${shadow.rule}`
  return `${verdict.do} (${verdict.reason})${by}${slot}${hold}${foreseen}`
}

function readingLines(name: string, readings: Readonly<Record<string, string | number | null>>): string[] {
  const words = Object.entries(readings).map(([key, value]) => `${key} ${value ?? 'none'}`)
  if (words.length === 0) return [`  ${name}: not known`]
  const lines: string[] = []
  for (let from = 0; from < words.length; from += 6)
    lines.push(`    ${words.slice(from, from + 6).join(', ')}`)
  return [`  ${name}`, ...lines]
}

function ms(value: number): string {
  return value < 1000 ? `${Math.round(value)} ms` : `${Math.round(value) / 1000} s`
}
