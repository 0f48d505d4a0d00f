/** The result of a replay for a terminal: a table per upstream and rule, and what it cannot know. */
import type { ReplayResult, SideChanges } from './replay-journal.ts'
import { differenceRows, LEGEND, ruleRows, span, upstreamRows, type Row } from './result-rows.ts'
import { count, journalLine } from './unknowns.ts'

/** @param unknowns from `unknownsOf` */
export function replayText(result: ReplayResult, unknowns: readonly string[]): string {
  const { policies, against, recorded } = result
  const lines = [journalLine(result), '']
  if (against === undefined) {
    lines.push(`Under ${policies.name}:`, ...aligned(ruleRows(policies)), wrapped(LEGEND), '')
    if (recorded.rules.length > 0) lines.push('As it was:', ...aligned(ruleRows(recorded)), '')
    lines.push(...aligned(upstreamRows([recorded, policies])), '', ...changeLines(policies), '')
  } else {
    lines.push(
      `A = ${policies.name}, B = ${against.name}:`,
      ...aligned(differenceRows(policies, against)),
      '',
    )
    lines.push(...aligned(upstreamRows([recorded, policies, against])), '')
  }
  lines.push('What this cannot know:', ...unknowns.map((line) => wrapped(line)))
  return `${lines.join('\n')}\n`
}

/** `N calls, N verdicts the same`, or the first that are not. */
export function verifyText({ journal, policies }: ReplayResult): string {
  const head = `${count(journal.calls)} calls, ${count(policies.same)} verdicts the same`
  if (policies.different === 0) return `${head}\n`
  const listed = policies.first.map(
    ({ id, at, agent, upstream, recorded, replayed }) =>
      `  ${id} at ${span(at)}, ${agent} to ${upstream}:\n    then ${recorded}\n    now  ${replayed}`,
  )
  const more = policies.different - policies.first.length
  const rest = more > 0 ? [`  and ${count(more)} more`] : []
  return `${[`${head}, ${count(policies.different)} different:`, ...listed, ...rest].join('\n')}\n`
}

function changeLines({ changes, same, different }: SideChanges): string[] {
  const others = changes.filter(({ from, to }) => from !== to)
  if (others.length === 0 && different === 0)
    return [`All ${count(same)} verdicts are those that were taken.`]
  if (others.length === 0) return ['Every call gets the same verdict; reasons or instants differ.']
  return [
    'Verdicts that change:',
    ...others.map(({ from, to, calls }) => `  ${from} -> ${to}`.padEnd(20) + count(calls).padStart(12)),
  ]
}

/** Words to the left, numbers to the right. */
export function aligned(rows: readonly Row[]): string[] {
  if (rows.length < 2) return ['  no call was touched']
  const widths: number[] = []
  for (const { cells } of rows) {
    for (const [index, cell] of cells.entries()) widths[index] = Math.max(widths[index] ?? 0, cell.length)
  }
  return rows.map(({ cells, texts }) => {
    const padded = cells.map((cell, index) =>
      index < texts ? cell.padEnd(widths[index] ?? 0) : cell.padStart(widths[index] ?? 0),
    )
    return `  ${padded.join('  ')}`.trimEnd()
  })
}

const WIDTH = 100

/** One item of a list, over several lines. */
export function wrapped(text: string): string {
  const lines: string[] = []
  let line = '  -'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line)
      line = '   '
    }
    line += ` ${word}`
  }
  return [...lines, line].join('\n')
}
