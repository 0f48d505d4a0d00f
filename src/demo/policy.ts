/**
 * The policy that the demo enforces: critical first, the rest waits or gets a slot. Warm-up and windows are
 * shortened, because the demo has seconds where production has days.
 */
export const DEMO_POLICY = `version: 1
description: the demo's policy
upstreams:
  '*':
    drift: { warmUp: 4s, warmUpSamples: 40, clear: 5s }
    hold: { max: 4s }
    slots: { max: 20s }
rules:
  - name: as-much-as-the-upstream-can-bear
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`
