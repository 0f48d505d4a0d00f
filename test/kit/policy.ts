/** Policies for tests, from the text of a file: the same way in which users' files go. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Policy } from '../../src/core/policy.ts'
import { compilePolicy } from '../../src/policy/compile.ts'
import { parsePolicy } from '../../src/policy/load.ts'
import { formatProblem } from '../../src/policy/problems.ts'

const POLICIES = join(import.meta.dirname, '..', '..', 'policies')

/** @throws with every problem of the text. */
export function policyOf(text: string, upstreams: readonly string[] = ['api'], name = 'test'): Policy {
  const { file, problems } = parsePolicy(`${name}.yaml`, text)
  if (file === undefined) throw new Error(problems.map(formatProblem).join('\n'))
  const compiled = compilePolicy([file], { upstreams, deferral: false })
  if (!compiled.ok) throw new Error(compiled.problems.map(formatProblem).join('\n'))
  return compiled.policy
}

/** The text of a policy that holds whenever an upstream is not well. @param tuning flow mapping for all upstreams */
export function holdPolicy(tuning = '{}'): string {
  return `version: 1
upstreams: { '*': ${tuning} }
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`
}

/** The text of a policy that lets one call at a time go to an upstream; all others wait, each for `max` at most. */
export function oneAtATimePolicy(max: string): string {
  return `version: 1
rules:
  - name: one
    mode: enforce
    then: { do: hold, hold: { max: ${max} }, limits: [{ per: upstream, concurrency: 1 }] }
`
}

/** A policy that the package ships, for these upstreams. */
export function shippedPolicy(name: string, upstreams: readonly string[]): Policy {
  return policyOf(readFileSync(join(POLICIES, `${name}.yaml`), 'utf8'), upstreams, name)
}
