/** A short name for a set of policies: two sets of the same digest decide alike. */
import { createHash } from 'node:crypto'
import type { Policy } from '../core/policy.ts'
import type { RuleNote } from './compile.ts'

/** Patterns are functions in the policy: the notes have them as they were written. */
export function policyDigest(policy: Policy, notes: readonly RuleNote[]): string {
  const written = notes.map(({ id, rule }) => [id, rule.match])
  const text = JSON.stringify([policy.rules, written, policy.upstreams, policy.workflow])
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
