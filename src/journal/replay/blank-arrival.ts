import type { Arrival } from '../../core/model.ts'

/** To be filled by `CallRows.fill`. */
export const BLANK_ARRIVAL: Readonly<Arrival> = {
  at: 0,
  call: 0,
  upstream: 0,
  agent: '',
  trust: 'derived',
  workflow: '',
  parent: '',
  method: '',
  path: '',
  route: '',
  bytes: 0,
  priority: 'normal',
  family: '',
  patienceMs: Infinity,
  attempt: 0,
  onceKey: 0,
  fingerprint: 0,
  credential: 0,
  longLived: false,
  holdable: false,
  deferrable: false,
}
