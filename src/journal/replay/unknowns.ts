/** What a replay cannot know, in sentences for people: the general limits, and those of the journal at hand. */
import { formatDuration } from '../../policy/units.ts'
import type { Policy } from '../../core/policy.ts'
import type { ReplayResult } from './replay-journal.ts'

/** @param policies those that were replayed, for what the journal does not hold of what they ask */
export function unknownsOf(result: ReplayResult, policies: readonly Policy[]): string[] {
  const { journal } = result
  const sides = [result.policies, ...(result.against === undefined ? [] : [result.against])]
  const sum = (read: (row: (typeof sides)[number]['upstreams'][number]) => number): number =>
    Math.max(...sides.map((side) => side.upstreams.reduce((total, row) => total + read(row), 0)))
  const estimated = sum((row) => row.estimated)
  const moved = sum((row) => row.moved)
  const says = [
    'Callers did here what they did then: nobody comes back at the slot that he is given here, and a retry that' +
      ' followed a failure then still comes, even where the failure is spared. `--closed-loop` lets models of the' +
      ' callers react instead.',
    'The upstream answers as it did then, however much less or more it is sent: relief by the policies is not in' +
      ' these numbers.',
  ]
  if (moved > 0) {
    says.push(
      `${count(moved)} calls were sent at another instant than then; all of their answer is moved by the difference.`,
    )
  }
  if (estimated > 0) {
    says.push(
      `${count(estimated)} calls were never sent then: their answer is an estimate, the usual ending and the median` +
        ' times of the last fifteen calls of the same route.',
    )
  }
  if (journal.imported) {
    says.push(
      'The journal was imported: what the core is told of callers, patience and retries is what the import could see,' +
        ' and its ticks are made here.',
    )
  }
  if (journal.dropped + journal.missing > 0) {
    says.push(
      `The journal is not whole: ${count(journal.dropped)} lines were dropped when it was written, and` +
        ` ${count(journal.missing)} of the numbers of what the core was told have no line.`,
    )
  }
  if (journal.late > 0) {
    says.push(`${count(journal.late)} calls could not be put into their order, and are left out.`)
  }
  if (journal.unknown > 0) {
    says.push(`${count(journal.unknown)} calls name an upstream that the header does not, and are left out.`)
  }
  if (journal.adoptions > 0) {
    says.push(
      `Other policies were adopted ${count(journal.adoptions)} times within the journal; here one set holds throughout.`,
    )
  }
  const rules = policies.flatMap((policy) => policy.rules)
  if (journal.hashedIds && rules.some((rule) => rule.match.agent !== undefined)) {
    says.push('Agents are hashed in the journal: rules that match agents by name match nobody here.')
  }
  if (!journal.hasPaths && rules.some((rule) => rule.match.path !== undefined)) {
    says.push('Paths are folded in the journal: rules that match paths are held against the folded path.')
  }
  return says
}

/** One line on what was read. */
export function journalLine({ journal }: ReplayResult): string {
  const runs = journal.runs === 1 ? '' : ` of ${journal.runs} runs`
  const span = formatDuration(Math.max(1, Math.round(journal.durationMs / 1000)) * 1000)
  const of = `${count(journal.calls)} calls${runs} in ${span} from ${journal.from}`
  return `${of}, ${journal.sources.join(', ')}`
}

export function count(value: number): string {
  return value.toLocaleString('en-US')
}
