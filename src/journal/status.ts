/** The statuses that the core was told of a call; a line holds only those that do not follow from the others. */
import type { CallLine } from './line.ts'

type Statuses = Pick<CallLine, 'status' | 'headMs' | 'upstreamStatus' | 'settledStatus'>

/** Of the upstream's head; of use only where there was one. */
export function statusAtHead(line: Statuses): number {
  return line.upstreamStatus ?? line.status
}

/** Of the settlement; 0 = the upstream never answered. */
export function statusAtEnd(line: Statuses): number {
  return line.settledStatus ?? (line.headMs === undefined ? 0 : statusAtHead(line))
}
