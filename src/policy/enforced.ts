/** A set of policies as if every rule that only watches did act. */
import type { Policy } from '../core/policy.ts'

export function enforced(policy: Policy): Policy {
  const rules = policy.rules.map((rule) =>
    rule.mode === 'shadow' ? { ...rule, mode: 'enforce' as const } : rule,
  )
  return { ...policy, rules }
}
