/**
 * `npm run fuzz -- [--cases N] [--seed N] [--target head|response|policy|journal] [--json]`: mutated inputs for the readers of
 * what comes from outside. Exit code 0 = nothing found; each finding comes with its input.
 */
import { parseArgs } from 'node:util'
import { fuzzHead } from './head.ts'
import { fuzzJournal } from './journal.ts'
import { fuzzPolicy } from './policy.ts'
import { fuzzResponse } from './response.ts'

const TARGETS = { head: fuzzHead, response: fuzzResponse, policy: fuzzPolicy, journal: fuzzJournal } as const

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    target: { type: 'string', default: '' },
    json: { type: 'boolean', default: false },
  },
})
const [cases, seed] = [Number(values.cases), Number(values.seed)]
const wanted = Object.entries(TARGETS).filter(([name]) => values.target === '' || name === values.target)
if (!Number.isInteger(cases) || cases < 1 || !Number.isInteger(seed) || wanted.length === 0) {
  process.stderr.write(
    `fuzz: --cases and --seed are whole numbers, --target one of ${Object.keys(TARGETS).join(', ')}\n`,
  )
  process.exit(64)
}
let found = 0
for (const [, fuzz] of wanted) {
  const result = await fuzz({ cases, seed })
  found += result.findings.length
  if (values.json) {
    process.stdout.write(`${JSON.stringify(result)}\n`)
    continue
  }
  const figures = Object.entries(result.figures).map(([name, value]) => `${name} ${value}`)
  process.stdout.write(
    `${result.target}: ${result.cases} cases, ${result.casesPerSecond}/s, ${result.findings.length} findings; ${figures.join(', ')}\n`,
  )
  for (const { why, input } of result.findings)
    process.stdout.write(`  - ${why}\n    ${JSON.stringify(input)}\n`)
}
process.exit(found === 0 ? 0 : 1)
