/**
 * One word for a workflow out of its numbers; the worst that is true wins.
 *
 *   over-budget : calls > hardCalls
 *   looping     : calls >= loopCalls, and the call at hand is the next step of a circle (`observe/sequence.ts`)
 *   exploding   : three generations in a row each 1.5 times the one before, the last one wider than ordinary,
 *                 and calls >= `calls`
 *   amplified   : calls >= max(calls, 2 * p99 of the class); never before the class is known
 *   wide        : in flight >= max(width, 2 * p99 of the class); 1.5 * width before the class is known
 *
 * A run that only pauses tell apart is judged for circles alone: the calls of a service for many people are no
 * workflow, however many and however wide. An id, or a parent, makes one.
 *
 * Bounds: algorithms.md 3(4). Generations stand where it has windows of 5 s: a tree of agents explodes within a
 * second or over minutes, and its shape is the same. Real sessions have 33 calls in the median and some hundred
 * at most, so a count says nothing before the class has a history.
 */
import type { WorkflowCondition } from '../model.ts'
import type { WorkflowThresholds } from '../policy.ts'

export interface WorkflowFacts {
  /** Logical calls: retries and polls are not counted. */
  calls: number
  inFlight: number
  /** Calls of the generation that is growing now. */
  generation: number
  /** Generations in a row, this one included, that grew by half or more. */
  growths: number
  circling: boolean
  /** The wire named it, or a parent in it; false = inferred from an agent's pauses. */
  named: boolean
  /** Of the class; 0 = not known yet. */
  callsP99: number
  widthP99: number
}

const GROWTHS = 3
const TIMES_ORDINARY = 2
/** Above the bound while the class is unknown: a first fan-out of ten searches is nothing unusual. */
const TIMES_UNKNOWN = 1.5

export function fanOutCondition(facts: WorkflowFacts, thresholds: WorkflowThresholds): WorkflowCondition {
  if (facts.named && facts.calls > thresholds.hardCalls) return 'over-budget'
  if (facts.circling && facts.calls >= thresholds.loopCalls) return 'looping'
  if (!facts.named) return 'ordinary'
  const width =
    facts.widthP99 === 0
      ? TIMES_UNKNOWN * thresholds.width
      : Math.max(thresholds.width, TIMES_ORDINARY * facts.widthP99)
  const known = facts.widthP99 === 0 ? thresholds.width : width
  if (facts.growths >= GROWTHS && facts.generation >= known && facts.calls >= thresholds.calls)
    return 'exploding'
  if (facts.callsP99 > 0 && facts.calls >= Math.max(thresholds.calls, TIMES_ORDINARY * facts.callsP99)) {
    return 'amplified'
  }
  return facts.inFlight >= width ? 'wide' : 'ordinary'
}
