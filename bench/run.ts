/**
 * `npm run bench -- NAME [--smoke] [--json]`: runs one bench and prints one JSON object
 * `{ bench, commit, machine, figures }`. `--smoke` runs it short, to see that it still works: its figures mean
 * nothing.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const HERE = dirname(fileURLToPath(import.meta.url))
const NOT_A_BENCH = new Set(['run.ts'])

interface Bench {
  run(options: { smoke: boolean }): Promise<Record<string, unknown>>
}

const benches = readdirSync(HERE)
  .filter((file) => file.endsWith('.ts') && !NOT_A_BENCH.has(file))
  .map((file) => file.slice(0, -3))
const args = process.argv.slice(2)
const name = args.find((arg) => !arg.startsWith('-')) ?? ''
if (!benches.includes(name)) {
  process.stderr.write(`bench: unknown bench '${name}'; known: ${benches.join(', ')}\n`)
  process.exit(64)
}
const bench = (await import(join(HERE, `${name}.ts`))) as Bench
const figures = await bench.run({ smoke: args.includes('--smoke') })
const report = { bench: name, commit: commit(), machine: machine(), figures }
process.stdout.write(`${JSON.stringify(report, undefined, args.includes('--json') ? undefined : 2)}\n`)
process.exit(0)

function commit(): string {
  try {
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: HERE, encoding: 'utf8' }).trim()
  } catch {
    return 'unknown'
  }
}

function machine(): Record<string, unknown> {
  const [cpu] = cpus()
  return {
    node: process.version,
    cpu: cpu?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadAverage: loadavg().map((load) => Math.round(load * 100) / 100),
  }
}
