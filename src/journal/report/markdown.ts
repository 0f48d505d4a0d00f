/** The report as Markdown (GitHub Flavored): for an issue, a chat, a pull request. Text and tables, no charts. */
import type { Findings } from './findings.ts'
import { sayBytes, sayClock, sayCount, sayLatency, sayMoney, sayRatio, sayShare, saySpan } from './say.ts'
import { keyFigures, sentences } from './summary.ts'

const MOST_ROWS = 10
const MOST_EVENTS = 20

type Cells = readonly string[]

export function reportMarkdown(findings: Findings): string {
  const parts = [
    '# Weir report',
    sentences(findings).map(plain).join('\n\n'),
    ...leftOut(findings),
    table(
      ['', 'figure', ''],
      keyFigures(findings).map(({ label, value, note }) => [label, `**${value}**`, note]),
    ),
    ...upstreams(findings),
    ...events(findings),
    ...fanOut(findings),
    ...callers(findings),
    ...weir(findings),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function leftOut({ source }: Findings): string[] {
  const { leftOut: parts, leftOutMore, dropped } = source
  const lines = parts.map(
    ({ file, line, reason }) => `- ${plain(`${file}${line === 0 ? '' : `:${line}`}: ${reason}`)}`,
  )
  if (leftOutMore > 0) lines.push(`- and ${sayCount(leftOutMore)} more`)
  return [
    lines.length === 0
      ? ''
      : `**Not all of the journal is in this report.** Left out:\n\n${lines.join('\n')}`,
    dropped === 0
      ? ''
      : `The writer of the journal dropped ${sayCount(dropped)} lines: counts are too low by that.`,
  ]
}

function upstreams({ upstreams: all, pricePerCall, currency }: Findings): string[] {
  const used = all.filter(({ traffic }) => traffic.arrivals > 0)
  if (used.length === 0) return []
  return [
    '## Upstreams',
    table(
      [
        'upstream',
        'arrived',
        'retries',
        'sent',
        'answered',
        'attempts per success',
        'for nothing',
        'time',
        'bytes',
        'money',
        'p50',
        'p99',
      ],
      used.map(({ name, traffic, latency }) => [
        name,
        sayCount(traffic.arrivals),
        sayCount(traffic.retries),
        sayCount(traffic.sent),
        sayCount(traffic.fates.answered),
        traffic.attemptsPerSuccess === null ? '-' : sayRatio(traffic.attemptsPerSuccess),
        `${sayCount(traffic.waste.calls)} (${sayShare(traffic.waste.calls / Math.max(1, traffic.arrivals))})`,
        saySpan(traffic.waste.ms),
        sayBytes(traffic.waste.bytes),
        sayMoney(traffic.waste.sent * pricePerCall, currency),
        latency.all === null ? '-' : sayLatency(latency.all.p50),
        latency.all === null ? '-' : sayLatency(latency.all.p99),
      ]),
    ),
  ]
}

function events({ upstreams: all }: Findings): string[] {
  const marks = all
    .flatMap(({ name, conditions }) => conditions.marks.map((mark) => ({ name, mark })))
    .toSorted((a, b) => a.mark.atMs - b.mark.atMs)
  if (marks.length === 0) return []
  const more = marks.length - MOST_EVENTS
  return [
    '## What was noticed',
    table(
      ['at (UTC)', 'upstream', 'event'],
      marks
        .slice(0, MOST_EVENTS)
        .map(({ name, mark }) => [
          sayClock(mark.atMs, true),
          name,
          [mark.name, mark.agent, mark.workflow, mark.root === undefined ? undefined : `root: ${mark.root}`]
            .filter((word) => word !== undefined)
            .join(' '),
        ]),
    ),
    more > 0 ? `${sayCount(more)} more.` : '',
  ]
}

function fanOut({ fanOut: { workflows, calls, width, depth, busiest } }: Findings): string[] {
  if (workflows === 0) return []
  return [
    '## Workflows',
    table(
      ['', 'half', '99 %', 'most'],
      [
        ['calls per workflow', sayCount(calls.p50), sayCount(calls.p99), sayCount(calls.max)],
        ['calls at once', sayCount(width.p50), sayCount(width.p99), sayCount(width.max)],
        ['levels of agents', sayCount(depth.p50), sayCount(depth.p99), sayCount(depth.max)],
      ],
    ),
    table(
      ['workflow', 'calls', 'retries', 'for nothing', 'at once', 'agents'],
      busiest
        .slice(0, MOST_ROWS)
        .map((shape) => [
          shape.workflow,
          sayCount(shape.calls),
          sayCount(shape.retries),
          sayCount(shape.forNothing),
          sayCount(shape.width),
          sayCount(shape.agents),
        ]),
    ),
  ]
}

function callers({ callers: { top } }: Findings): string[] {
  if (top.length === 0) return []
  return [
    '## Agents',
    table(
      ['agent', 'calls', 'retries', 'answered', 'for nothing'],
      top
        .slice(0, MOST_ROWS)
        .map((row) => [
          row.agent,
          sayCount(row.calls),
          sayCount(row.retries),
          sayCount(row.answered),
          sayCount(row.forNothing),
        ]),
    ),
  ]
}

function weir({ weir: { did, shadow }, source, whatIf }: Findings): string[] {
  const acts = source.mode === 'enforced' ? did : shadow
  const rows = acts.rows.filter((row) => row.do !== 'pass').slice(0, MOST_ROWS)
  const parts: string[] = []
  if (rows.length > 0) {
    parts.push(
      source.mode === 'enforced' ? '## What Weir did' : '## What rules in shadow mode would have done',
      table(
        ['verdict', 'reason', 'rule', 'calls'],
        rows.map((row) => [row.do, row.reason, row.rule ?? '-', sayCount(row.count)]),
      ),
    )
  }
  if (whatIf === undefined) return parts
  return [
    ...parts,
    `## Replayed under ${plain(whatIf.policies)}`,
    table(
      ['upstream', 'rule', 'held', 'asked back', 'refused', 'attempts spared', 'of them failed'],
      whatIf.rules
        .slice(0, MOST_ROWS)
        .map((row) => [
          row.upstream,
          row.rule === '' ? '(no rule)' : row.rule,
          sayCount(row.held),
          sayCount(row.slotted),
          sayCount(row.shed),
          sayCount(row.sparedAttempts),
          sayCount(row.sparedFailures),
        ]),
    ),
    whatIf.unknowns.map((unknown) => `- ${unknown}`).join('\n'),
  ]
}

function table(heads: Cells, rows: readonly Cells[]): string {
  const line = (cells: Cells): string => `| ${cells.join(' | ')} |`
  const rule = heads.map((_, index) => (index === 0 ? '---' : '---:'))
  return [line(heads), line(rule), ...rows.map((cells) => line(cells.map(cellText)))].join('\n')
}

/** Bold of our own stays; a journal's names may hold no markup at all. */
function cellText(text: string): string {
  const bold = /^\*\*([^*]*)\*\*$/.exec(text)
  return bold === null ? plain(text) : `**${plain(bold[1] ?? '')}**`
}

// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u001f\u007f-\u009f]+/g

/** Without what Markdown, or the HTML in it, would read as more than a character. */
function plain(text: string): string {
  return text
    .replaceAll(CONTROLS, ' ')
    .replaceAll(/[\\`*_[\]|~]/g, String.raw`\$&`)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}
