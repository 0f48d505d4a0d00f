/** `weir report`: a journal into one page, or into Markdown or JSON. */
import { existsSync, statSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { ConfigError } from '../config.ts'
import type { Policy } from '../core/policy.ts'
import { journalFiles } from '../journal/journal-files.ts'
import type { JournalLine } from '../journal/line.ts'
import { formatJournalProblem, JournalError, readJournal } from '../journal/reader.ts'
import { replayJournal } from '../journal/replay/replay-journal.ts'
import { unknownsOf } from '../journal/replay/unknowns.ts'
import { Analysis, analyse, type AnalysisOptions } from '../journal/report/analysis.ts'
import type { Findings } from '../journal/report/findings.ts'
import { reportMarkdown } from '../journal/report/markdown.ts'
import { reportPage, type PageOptions } from '../journal/report/page/report-page.ts'
import { parseBound, type Bound } from '../journal/report/range.ts'
import { reportJson } from '../journal/report/report-json.ts'
import { whatIfOf, type WhatIfFindings } from '../journal/report/what-if.ts'
import { enforced } from '../policy/enforced.ts'
import { loadPolicies } from '../policy/load.ts'
import { VERSION } from '../version.ts'
import { collect } from './check.ts'
import { journalProgress } from './journal-progress.ts'

/** What Weir would have done is asked of these, as if they were in force. */
const SHIPPED_POLICY = fileURLToPath(new URL('../../policies/default.yaml', import.meta.url))
const SHIPPED_NAME = 'the shipped policies, in force'

/** Some 400,000 calls: 5 to 10 s of replay. */
const WHAT_IF_BYTES = 256 * 1024 ** 2

const DEFAULT_OUT = 'weir-report.html'

export interface ReportRequest {
  readonly journal: readonly string[]
  readonly analysis?: AnalysisOptions
  readonly keepGood?: boolean
  /** Policies for what would have been done; absent = the shipped ones. */
  readonly policies?: readonly string[]
  /** Whether that is asked; absent = for journals up to a size, because it takes longer than all the rest. */
  readonly whatIf?: boolean
  /** For a progress bar. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
}

/**
 * Reads a journal once, for the findings and for what policies would have done.
 *
 * @throws JournalError when it cannot be read, ConfigError when the policies cannot
 */
export async function readFindings(request: ReportRequest): Promise<Findings> {
  const analysis = new Analysis(request.analysis)
  const lines = readJournal(request.journal, {
    keepGood: request.keepGood === true,
    ...(request.onProgress === undefined ? {} : { onProgress: request.onProgress }),
    onProblem: ({ file, line, reason, badLines }) =>
      analysis.leaveOut({
        file,
        line,
        reason: badLines > 1 ? `${reason}, and ${badLines - 1} more lines` : reason,
      }),
  })
  // A replay needs all that went before: of a part of a journal it would tell about the whole.
  const isPart = request.analysis?.from !== undefined || request.analysis?.to !== undefined
  const policies = request.policies ?? [SHIPPED_POLICY]
  if (isPart || !(request.whatIf ?? isShort(request.journal))) return analyse(lines, analysis)
  const name = request.policies === undefined ? SHIPPED_NAME : `${policies.join(', ')}, in force`
  const whatIf = await replayed(tapped(lines, analysis), policies, name)
  const findings = analysis.findings()
  // Where Weir acted, the calls of the journal are those that its acting left.
  return findings.source.mode === 'enforced' ? findings : { ...findings, whatIf }
}

/** Packed parts count for what they are unpacked, by experience. */
function isShort(journal: readonly string[]): boolean {
  let bytes = 0
  for (const path of journal) {
    // What cannot be looked at, the reader will complain of.
    if (!existsSync(path)) return false
    for (const file of journalFiles(path)) bytes += statSync(file).size * (file.endsWith('.gz') ? 10 : 1)
  }
  return bytes <= WHAT_IF_BYTES
}

async function* tapped(
  lines: AsyncIterable<readonly JournalLine[]>,
  analysis: Analysis,
): AsyncGenerator<readonly JournalLine[]> {
  for await (const batch of lines) {
    for (const line of batch) analysis.add(line)
    yield batch
  }
}

async function replayed(
  lines: AsyncIterable<readonly JournalLine[]>,
  paths: readonly string[],
  name: string,
): Promise<WhatIfFindings> {
  const compiled: Policy[] = []
  const result = await replayJournal(lines, {
    policies: {
      name,
      compile(upstreams) {
        const set = loadPolicies(paths, { upstreams, deferral: true })
        if (!set.ok) throw new ConfigError(set.problems)
        const policy = enforced(set.policy)
        compiled.push(policy)
        return { policy }
      },
    },
  })
  return whatIfOf(result, name, unknownsOf(result, compiled))
}

interface ReportFlags {
  readonly out?: string
  readonly json?: boolean
  readonly markdown?: boolean
  readonly price?: number
  readonly currency?: string
  readonly against?: readonly string[]
  readonly policies?: readonly string[]
  readonly whatIf?: boolean
  readonly keepGood?: boolean
  readonly from?: Bound
  readonly to?: Bound
}

export function reportCommand(): Command {
  return new Command('report')
    .description('a journal as one page that needs no network: what happened, what it cost, what Weir did')
    .argument('<journal...>', 'files and folders of a journal')
    .option('--out <file>', `where the page goes (default: ${DEFAULT_OUT}, unless --json or --markdown)`)
    .option('--json', 'print the findings as JSON')
    .option('--markdown', 'print the report as Markdown')
    .option('--price <amount>', 'what a call that is sent upstream costs (default: 0.01)', priceOf)
    .option('--currency <sign>', 'stands before amounts (default: $)')
    .option(
      '--from <when>',
      'leave out what came before: RFC 3339, or a time after the start (90s, 2h)',
      boundOf,
    )
    .option('--to <when>', 'leave out what came after', boundOf)
    .option(
      '--against <journal>',
      'another journal, to stand beside it; repeat for more of its files',
      collect,
    )
    .option('--policies <path>', 'policies for "what would have been done"; repeat for more', collect)
    .option('--what-if', 'ask what those would have done, however large the journal (default: up to 256 MiB)')
    .option('--no-what-if', 'do not ask that')
    .option('--keep-good', 'leave out what is broken in the journal, and say so on the page')
    .addHelpText(
      'after',
      `
Exit code: 0 done; 1 the journal cannot be read; 64 a mistake in the command line or in the policies.

Examples:
  weir report /var/lib/weir/journal --price 0.004
  weir report journal/ --from 2026-03-12T14:00:00Z --to 2026-03-12T15:00:00Z --out incident.html
  weir report journal/ --markdown | gh issue create --title 'The storm of Tuesday' --body-file -`,
    )
    .action(run)
}

async function run(journal: string[], flags: ReportFlags): Promise<void> {
  const progress = journalProgress('reading')
  const asked = flags.whatIf ?? (flags.policies === undefined ? undefined : true)
  const whatIf = asked === undefined ? {} : { whatIf: asked }
  const read = (paths: readonly string[]): Promise<Findings> =>
    readFindings({
      journal: paths,
      keepGood: flags.keepGood === true,
      analysis: {
        ...(flags.price === undefined ? {} : { pricePerCall: flags.price }),
        ...(flags.currency === undefined ? {} : { currency: flags.currency }),
        ...(flags.from === undefined ? {} : { from: flags.from }),
        ...(flags.to === undefined ? {} : { to: flags.to }),
      },
      ...(flags.policies === undefined ? {} : { policies: flags.policies }),
      ...whatIf,
      onProgress: progress.onProgress,
    })
  try {
    const findings = await read(journal)
    const against = flags.against === undefined ? undefined : await read(flags.against)
    progress.stop()
    warn(findings)
    await tell(findings, against, flags)
  } catch (error) {
    progress.stop()
    if (!(error instanceof JournalError)) throw error
    const more = flags.keepGood === true ? '' : ' (--keep-good leaves out what is broken)'
    process.stderr.write(`weir: ${error.message}${more}\n`)
    process.exitCode = 1
  }
}

async function tell(findings: Findings, against: Findings | undefined, flags: ReportFlags): Promise<void> {
  const isPrinted = flags.json === true || flags.markdown === true
  if (flags.out !== undefined || !isPrinted) {
    const out = flags.out ?? DEFAULT_OUT
    const beside =
      against === undefined ? {} : { against: { own: 'This journal', other: 'the other', findings: against } }
    await writeReport(out, findings, beside)
    // What is printed may be piped on: the path is not part of it.
    const stream = isPrinted ? process.stderr : process.stdout
    stream.write(`${resolve(out)}\n`)
  }
  if (flags.markdown === true) process.stdout.write(reportMarkdown(findings))
  if (flags.json === true) process.stdout.write(reportJson(findings))
}

/** Writes the page. @throws the system's error when it cannot be written */
export async function writeReport(
  out: string,
  findings: Findings,
  options: Omit<PageOptions, 'madeBy'> = {},
): Promise<void> {
  await writeFile(out, reportPage(findings, { ...options, madeBy: `weir ${VERSION}` }))
}

function warn({ source, total }: Findings): void {
  for (const { file, line, reason } of source.leftOut) {
    process.stderr.write(
      `weir: left out: ${formatJournalProblem({ file, line, reason, isTorn: false, badLines: 1 })}\n`,
    )
  }
  if (source.dropped > 0) {
    process.stderr.write(`weir: the writer of the journal dropped ${source.dropped} lines\n`)
  }
  if (total.arrivals + total.longLived === 0)
    process.stderr.write('weir: no calls in that journal, or in that time\n')
}

function priceOf(text: string): number {
  const price = Number(text)
  if (text.trim() !== '' && Number.isFinite(price) && price >= 0) return price
  throw mistake(`--price ${text}`, 'a number from 0', 'write --price 0.01')
}

function boundOf(text: string): Bound {
  const bound = parseBound(text)
  if (bound !== undefined) return bound
  throw mistake(
    `the time ${text}`,
    'RFC 3339 with a zone, or a time after the start of the journal',
    'write 2026-03-12T14:00:00Z, or 90s',
  )
}

function mistake(found: string, allowed: string, fix: string): ConfigError {
  return new ConfigError([
    { severity: 'error', file: 'command line', line: 0, column: 0, path: '', found, allowed, fix },
  ])
}
