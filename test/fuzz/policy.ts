/** The reader of policy files: whatever bytes they hold, it answers with a policy or with problems that have a place. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compilePolicy } from '../../src/policy/compile.ts'
import { parsePolicy } from '../../src/policy/load.ts'
import { formatProblem } from '../../src/policy/problems.ts'
import type { FuzzFigures, FuzzOptions } from './fuzz.ts'
import { fuzzGuided } from './guided.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const WORDS = [
  '\n',
  '\t',
  ' ',
  '  ',
  ': ',
  '- ',
  '[',
  ']',
  '{',
  '}',
  '"',
  "'",
  '#',
  '|\n',
  '>\n',
  '&a ',
  '*a',
  '<<: *a',
  '!!js/function ',
  '---\n',
  '...\n',
  '? ',
  '%YAML 1.2\n',
  '\0',
  '\ufeff',
  '__proto__: {}',
  'constructor: {}',
  'version: 1',
  'rules:\n',
  'when: { upstream: [drifting] }',
  'then: { do: hold }',
  'mode: enforce',
  'per: agent',
  'rate: 10/s',
  '30s',
  '1e309',
  '.nan',
  '0x1f',
  '-0',
  '2026-11-21',
  'yes',
  'null',
  '~',
  '/**',
  '*',
  '^(a+)+$',
]

function read(folder: string): string[] {
  return readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => readFileSync(join(ROOT, folder, file), 'utf8'))
}

export async function fuzzPolicy(options: FuzzOptions): Promise<FuzzFigures> {
  return fuzzGuided(
    {
      name: 'policy',
      seeds: [...read('policies'), ...read('test/policies/broken')],
      words: WORDS,
      isOurs: (url) => /\/src\/policy\/|\/node_modules\/yaml\//.test(url),
      boundMs: 3000,
      check,
    },
    options,
  )
}

function check(text: string): string {
  const { file, problems } = parsePolicy('fuzz.yaml', text)
  for (const problem of problems) {
    if (!/^fuzz\.yaml\b/.test(formatProblem(problem)))
      return `a problem without a place: ${formatProblem(problem)}`
  }
  if (file === undefined) return problems.length > 0 ? '' : 'refused without a problem'
  const compiled = compilePolicy([file], { upstreams: ['openai', 'anthropic', 'api'], deferral: false })
  if (!compiled.ok) return compiled.problems.length > 0 ? '' : 'not compiled, without a problem'
  const { policy } = compiled
  if (policy.upstreams.length !== 3) return `${policy.upstreams.length} upstreams`
  const isInOrder = policy.rules.every((rule, index) => rule.index === index)
  return isInOrder && Object.getPrototypeOf({}) === Object.prototype
    ? ''
    : 'rules out of order, or a changed prototype'
}
