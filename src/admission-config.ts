/** The `admission:` block of the config, checked. */
import type { DeskOptions } from './admit/desk.ts'
import type { ConfigValue } from './config-schema.ts'

export type AdmissionConfig = DeskOptions

/** Undefined = nobody may ask. */
export function admissionConfig(value: ConfigValue['admission']): AdmissionConfig | undefined {
  if (!value.enabled) return undefined
  const { maxTickets, maxPerAgent, maxLease, maxWait } = value
  return { tickets: maxTickets, perAgent: maxPerAgent, leaseMs: maxLease, waitMs: maxWait }
}
