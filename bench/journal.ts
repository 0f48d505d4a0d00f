/**
 * A journal of a million calls: how fast `weir replay` plays it under the policies of then (reading and parsing
 * included, every verdict compared with the one that was taken), how long `weir report` takes, and the most memory
 * that either needs: from the start of the process to its end. The journal is made in virtual time by the real core and the real recorder
 * (`test/kit/journal-sample.ts`): four upstreams, of which one at a time is unwell for a good part of the time.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { samplePolicy, writeSampleJournal } from '../test/kit/journal-sample.ts'
import { buildWeir, ROOT } from './targets/all.ts'

const CALLS = 1_000_000
const SMOKE_CALLS = 3000
const LOOK_EVERY_MS = 20

interface Ran {
  readonly seconds: number
  readonly mebibytes: number
  readonly output: string
}

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bench-journal-'))
  try {
    buildWeir()
    const journal = join(folder, 'journal')
    const policies = join(folder, 'sample.yaml')
    writeFileSync(policies, samplePolicy())
    const sample = writeSampleJournal(journal, { calls: options.smoke ? SMOKE_CALLS : CALLS })
    const bytes = sample.files.reduce((sum, file) => sum + statSync(file).size, 0)
    const replay = await weir(['replay', journal, '--policies', policies, '--verify', '--json'])
    const { journal: facts, policies: verdicts } = JSON.parse(replay.output) as {
      journal: { calls: number; windowCalls: number; windowNumbers: number }
      policies: { same: number }
    }
    const page = join(folder, 'report.html')
    const report = await weir(['report', journal, '--out', page])
    return {
      calls: facts.calls,
      journalMiB: Math.round(bytes / 2 ** 20),
      replayCallsPerSecond: Math.round(facts.calls / replay.seconds),
      replaySeconds: rounded(replay.seconds),
      replayMiB: replay.mebibytes,
      verdictsTheSame: verdicts.same,
      windowCalls: facts.windowCalls,
      windowNumbers: facts.windowNumbers,
      reportSeconds: rounded(report.seconds),
      reportMiB: report.mebibytes,
      reportPageKiB: Math.round(statSync(page).size / 1024),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Runs the built command line to its end. */
async function weir(words: readonly string[]): Promise<Ran> {
  const from = performance.now()
  const child = spawn(process.execPath, [join(ROOT, 'dist/main.js'), ...words], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let mebibytes = 0
  const look = setInterval(() => (mebibytes = Math.max(mebibytes, peakOf(child.pid))), LOOK_EVERY_MS)
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearInterval(look)
  if (code !== 0) throw new Error(`weir ${words[0] ?? ''} ended with ${code}: ${output.slice(0, 500)}`)
  return { seconds: (performance.now() - from) / 1000, mebibytes, output }
}

/** The most memory that a process ever had, MiB; 0 where the system does not say. */
function peakOf(pid: number | undefined): number {
  try {
    const [, kibibytes] = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
    return Math.round(Number(kibibytes ?? 0) / 1024)
  } catch {
    return 0
  }
}

function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100
}
