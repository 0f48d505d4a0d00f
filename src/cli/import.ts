/** `weir import`: what a team has already (HAR files, OpenTelemetry traces) as a journal, for report and replay. */
import { randomBytes } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { Argument, Command } from 'commander'
import { createShownNames } from '../journal/hash-ids.ts'
import type { ImportedCall, ImportOptions, ImportResult } from '../journal/import-call.ts'
import { importHar } from '../journal/import-har.ts'
import { ImportError } from '../journal/import-json.ts'
import { importedJournal, type ImportedJournal, type ImportWords } from '../journal/import-lines.ts'
import { importOtlp } from '../journal/import-otlp.ts'
import { createFamilyReader } from '../proxy/client-family.ts'
import { KeyedHash } from '../proxy/keyed-hash.ts'
import { PathTemplates } from '../proxy/path-template.ts'
import { kindOfAnswer } from '../proxy/settle.ts'

export const IMPORT_KINDS = ['har', 'otlp'] as const
export type ImportKind = (typeof IMPORT_KINDS)[number]

export interface ImportRequest {
  readonly kind: ImportKind
  readonly files: readonly string[]
  /** Directory; made if it is not there. */
  readonly out: string
  readonly agentHeader?: string
  readonly agent?: string
  readonly hashIds?: boolean
  readonly paths?: boolean
}

export interface ImportSummary {
  readonly file: string
  readonly calls: number
  readonly upstreams: readonly string[]
  readonly agents: number
  /** RFC 3339. */
  readonly from: string
  readonly until: string
  readonly skipped: Readonly<Record<string, number>>
}

/** A text cannot be longer in V8. */
const LARGEST_BYTES = 512 * 1024 ** 2 - 32

const IMPORTERS: Readonly<
  Record<ImportKind, (file: string, text: string, options: ImportOptions) => ImportResult>
> = { har: importHar, otlp: importOtlp }

/** All files together are one journal of one part. @throws ImportError, with the place, before anything is written */
export function importJournal(request: ImportRequest): ImportSummary {
  const { kind, files, out, agentHeader = '', agent = 'unnamed', hashIds = false, paths = false } = request
  const options = { agentHeader: agentHeader.toLowerCase(), agent }
  const results = files.map((file) => IMPORTERS[kind](file, textOf(file), options))
  const calls = results.flatMap((result) => result.calls)
  if (calls.length === 0) throw new ImportError(files.join(', '), '', 'no call of an upstream in it')
  const key = randomBytes(32)
  const run = randomBytes(8).toString('hex')
  const shown = createShownNames({ key, hashIds, paths })
  const facts = { source: `import:${kind}`, run, hashIds, paths }
  const journal = importedJournal(calls, facts, words(key, shown))
  const file = write(out, kind, journal)
  return summaryOf(file, calls, journal, results)
}

function textOf(file: string): string {
  try {
    const { size } = statSync(file)
    if (size > LARGEST_BYTES)
      throw new ImportError(file, '', `${size} bytes are too many: split it below 512 MiB`)
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof ImportError) throw error
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    throw new ImportError(file, '', `cannot be read (${code})`)
  }
}

/** The data path's own eyes: the same templates, families and settlements as of a call through Weir. */
function words(key: Buffer, shown: ImportWords['shown']): ImportWords {
  const hash = new KeyedHash(key)
  const family = createFamilyReader()
  const templates = new Map<string, PathTemplates>()
  const rest = {
    sdkLang: '',
    sdkVersion: '',
    isMcp: false,
    isAnthropic: false,
    hasBrowserAccess: false,
    isFetch: false,
  }
  return {
    shown,
    template(upstream, path) {
      const known = templates.get(upstream) ?? new PathTemplates()
      templates.set(upstream, known)
      return known.of(path)
    },
    // Through Weir a request without one is undici's; here it is one that the file does not tell.
    family: (userAgent) => (userAgent === '' ? 'other' : family({ ...rest, userAgent })),
    settlement: (status) => kindOfAnswer(status, false),
    fingerprint: ({ agent, userAgent, method, upstream, target, requestBytes }) =>
      hash
        .begin()
        .text(agent)
        .text(userAgent)
        .text(method)
        .text(upstream)
        .text(target)
        .number(requestBytes)
        .end(),
  }
}

const CHUNK_CHARS = 1 << 20

function write(out: string, kind: ImportKind, { header, lines }: ImportedJournal): string {
  mkdirSync(out, { recursive: true })
  const start = header.startedAt.replace(/[-:]|\.\d+/g, '')
  const file = join(out, `import-${kind}-${start}-${header.run.slice(0, 8)}.ndjson`)
  const fd = openSync(file, 'wx', 0o600)
  let text = `${JSON.stringify(header)}\n`
  for (const line of lines) {
    text += `${JSON.stringify(line)}\n`
    if (text.length < CHUNK_CHARS) continue
    writeSync(fd, text)
    text = ''
  }
  writeSync(fd, text)
  closeSync(fd)
  return file
}

function summaryOf(
  file: string,
  calls: readonly ImportedCall[],
  { header, lines }: ImportedJournal,
  results: readonly ImportResult[],
): ImportSummary {
  const skipped: Record<string, number> = {}
  for (const result of results) {
    for (const [why, count] of result.skipped) skipped[why] = (skipped[why] ?? 0) + count
  }
  const lastMs = lines.reduce((last, line) => Math.max(last, line.at + line.endMs), 0)
  return {
    file,
    calls: calls.length,
    upstreams: header.upstreams,
    agents: new Set(calls.map(({ agent }) => agent)).size,
    from: header.startedAt,
    until: new Date(Date.parse(header.startedAt) + lastMs).toISOString(),
    skipped,
  }
}

interface Flags {
  readonly out: string
  readonly agentHeader?: string
  readonly agent?: string
  readonly hashIds?: boolean
  readonly paths?: boolean
  readonly json?: boolean
}

export function importCommand(): Command {
  return new Command('import')
    .description('make a journal of HAR files or OpenTelemetry traces')
    .addArgument(new Argument('<kind>', 'what the files are').choices([...IMPORT_KINDS]))
    .argument('<files...>', 'HAR 1.2, or OTLP JSON (one document, or one per line)')
    .requiredOption('--out <dir>', 'where the journal goes; a new file of its own each time')
    .option('--agent-header <name>', 'request header that names the agent')
    .option('--agent <name>', 'who it was, where the files do not say (default: unnamed)')
    .option('--hash-ids', 'write agents and workflows as keyed hashes')
    .option('--paths', 'write paths as they came, ids and all')
    .option('--json', 'print what was imported as JSON')
    .addHelpText('after', '\nExample:\n  weir import har session.har --out journal && weir report journal')
    .action((kind: ImportKind, files: string[], { json, ...flags }: Flags) => {
      try {
        const summary = importJournal({ kind, files, ...flags })
        process.stdout.write(json === true ? `${JSON.stringify(summary, undefined, 2)}\n` : told(summary))
      } catch (error) {
        if (!(error instanceof ImportError)) throw error
        process.stderr.write(`weir: ${error.message}\n`)
        process.exitCode = 1
      }
    })
}

function told({ file, calls, upstreams, agents, from, until, skipped }: ImportSummary): string {
  const left = Object.entries(skipped).map(([why, count]) => `  left out: ${count} ${why}\n`)
  const head = `${calls} calls of ${agents} agents to ${upstreams.join(', ')}, ${from} to ${until}\n`
  return `${head}${left.join('')}${file}\n`
}
