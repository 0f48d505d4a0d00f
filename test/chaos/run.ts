/**
 * `npm run chaos -- [--minutes N] [--seed N] [--json]`: a real Weir under mixed traffic while everything around it
 * breaks at random, and an account at the end. Exit code 0 = no promise was broken, 1 = the report says which.
 *
 * Checked of every call: its own answer, whole or visibly broken for a reason; within its bound; sent at most once.
 * Checked of Weir: the operator's port answers; no error that nobody caught; outcomes add up; every gauge returns to
 * zero; every upstream is reached again after the last fault; memory and open files stay level.
 */
import { parseArgs } from 'node:util'
import { runChaos } from './chaos.ts'
import { chaosText } from './chaos-text.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '16' },
    json: { type: 'boolean', default: false },
  },
})
const [minutes, seed, workers] = [Number(values.minutes), Number(values.seed), Number(values.workers)]
if (!(minutes > 0) || !Number.isInteger(seed) || !(workers > 0)) {
  process.stderr.write('chaos: --minutes and --workers must be above 0, --seed a whole number\n')
  process.exit(64)
}
const report = await runChaos({
  minutes,
  seed,
  workers,
  tell: (line) => void process.stderr.write(`${line}\n`),
})
process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : chaosText(report))
process.exit(report.violationCount === 0 ? 0 : 1)
