/** `npm run sim -- NAME [--direct]`: plays one scenario in virtual time and prints its timeline and score. */
import { shippedPolicy } from '../kit/policy.ts'
import { play } from '../kit/sim/scenario.ts'
import { score } from '../kit/sim/score.ts'
import { SCENARIOS } from './scenarios.ts'

const [name = '', ...flags] = process.argv.slice(2)
const scenario = SCENARIOS.find((candidate) => candidate.name === name)
if (scenario === undefined) {
  process.stderr.write(`sim: unknown scenario '${name}'; known: ${SCENARIOS.map((s) => s.name).join(', ')}\n`)
  process.exitCode = 64
} else {
  const direct = flags.includes('--direct')
  const run = play(
    scenario,
    direct ? undefined : shippedPolicy(scenario.name, Object.keys(scenario.upstreams)),
  )
  for (const line of run.timeline) process.stdout.write(`${line}\n`)
  process.stdout.write(`${JSON.stringify(score(scenario, run), undefined, 2)}\n`)
}
