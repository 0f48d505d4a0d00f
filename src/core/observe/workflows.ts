/**
 * What each run of an agent, or of several agents, has done: volume, width, depth, generations and the order of
 * its calls. A workflow is a trace, session or workflow id; without one, what an agent does without an idle gap
 * of 30 s. A workflow whose parent is a known workflow or agent run counts as part of it, so that a tree of
 * sub-agents with a session each is one workflow.
 *
 * The table is bounded: newcomers take the slots of the idle and of those seen once; with none to be had they
 * share slot 0, which is never judged. Memory per slot: about 235 bytes, 4 MB for 16,384, names apart.
 */
import { fanOutCondition, type WorkflowFacts } from '../detect/fan-out.ts'
import type { Millis, WorkflowCondition } from '../model.ts'
import type { WorkflowThresholds } from '../policy.ts'
import type { WorkflowReading } from '../reading.ts'
import { Generations } from './generations.ts'
import { IdentityTable, OTHER_SLOT } from './identity-table.ts'
import { Sequences } from './sequence.ts'
import { WorkflowClasses } from './workflow-classes.ts'
import { WorkflowTree } from './workflow-tree.ts'

/** Ends a workflow that only an agent's pauses tell apart (algorithms.md 3(4)). */
const IDLE_GAP_MS = 30_000

/** After this silence a workflow may make room for another one; its time to live only ends its counts. */
const MAKES_ROOM_MS = 60_000

/** A circle that was refused this long gets one call through, to show whether it still is one. */
const CIRCLE_FRESH_MS = 30_000

export interface WorkflowsOptions {
  readonly size: number
  readonly thresholds: WorkflowThresholds
  readonly upstreams: number
}

export class Workflows {
  #thresholds: WorkflowThresholds
  readonly #table: IdentityTable
  readonly #classes = new WorkflowClasses()
  readonly #tree: WorkflowTree
  readonly #sequences: Sequences
  readonly #generations: Generations
  readonly #class: Int16Array
  readonly #calls: Uint32Array
  readonly #retries: Uint32Array
  readonly #inFlight: Uint32Array
  readonly #width: Uint32Array
  readonly #firstSeen: Float64Array
  readonly #lastSeen: Float64Array
  readonly #inferred: Uint8Array
  /** An id or a parent was named: what it does belongs together for sure. */
  readonly #named: Uint8Array
  readonly #period: Uint8Array
  readonly #circledAt: Float64Array
  /** The latest arrival is the next step of the circle. */
  readonly #circling: Uint8Array
  /** Was more than wide or amplified at some time: teaches its class nothing. */
  readonly #spoilt: Uint8Array
  readonly #facts: WorkflowFacts = {
    calls: 0,
    inFlight: 0,
    generation: 0,
    growths: 0,
    circling: false,
    named: false,
    callsP99: 0,
    widthP99: 0,
  }
  #hand = 1

  constructor(options: WorkflowsOptions) {
    this.#thresholds = options.thresholds
    this.#table = new IdentityTable(options.size, MAKES_ROOM_MS, (slot) => this.#end(slot))
    const slots = this.#table.capacity
    this.#tree = new WorkflowTree(this.#table)
    this.#sequences = new Sequences(slots)
    this.#generations = new Generations(slots)
    this.#class = new Int16Array(slots)
    this.#calls = new Uint32Array(slots)
    this.#retries = new Uint32Array(slots)
    this.#inFlight = new Uint32Array(slots)
    this.#width = new Uint32Array(slots)
    this.#firstSeen = new Float64Array(slots)
    this.#lastSeen = new Float64Array(slots)
    this.#inferred = new Uint8Array(slots)
    this.#named = new Uint8Array(slots)
    this.#period = new Uint8Array(slots)
    this.#circledAt = new Float64Array(slots)
    this.#circling = new Uint8Array(slots)
    this.#spoilt = new Uint8Array(slots)
  }

  /** Workflows that have a slot of their own. */
  get known(): number {
    return this.#table.known
  }

  /** Bytes of the typed arrays by slot; fixed from the constructor on. */
  get bytes(): number {
    const counts = [this.#class, this.#calls, this.#retries, this.#inFlight, this.#width, this.#period]
    const states = [
      this.#firstSeen,
      this.#lastSeen,
      this.#inferred,
      this.#named,
      this.#circledAt,
      this.#circling,
      this.#spoilt,
    ]
    const own = [...counts, ...states].reduce((sum, array) => sum + array.byteLength, 0)
    return own + this.#table.bytes + this.#tree.bytes + this.#sequences.bytes + this.#generations.bytes
  }

  adopt(thresholds: WorkflowThresholds): void {
    this.#thresholds = thresholds
  }

  /**
   * A call begins; ends with exactly one `settle` or `withdraw` of the slot that this returns. Long polls and
   * subscriptions do not belong here.
   *
   * @param workflow its id; '' = infer one from the agent and its pauses
   * @param parent id of the parent agent, session or workflow; '' = none
   * @param bytes of the request; -1 = not known yet
   * @param isRetry counted apart: a retry is neither volume nor growth
   */
  arrive(
    workflow: string,
    _agentSlot: number,
    agent: string,
    parent: string,
    route: number,
    _upstream: number,
    bytes: number,
    isRetry: boolean,
    at: Millis,
  ): number {
    this.#sweep(at)
    const slot = this.#slotOf(workflow, agent, parent, at)
    if (slot === OTHER_SLOT) {
      this.#inFlight[OTHER_SLOT] = (this.#inFlight[OTHER_SLOT] ?? 0) + 1
      return OTHER_SLOT
    }
    if (this.#calls[slot] === 0 && this.#retries[slot] === 0) this.#begin(slot, agent, route, at)
    this.#table.pin(slot)
    const open = (this.#inFlight[slot] ?? 0) + 1
    this.#inFlight[slot] = open
    if (open > (this.#width[slot] ?? 0)) this.#width[slot] = open
    this.#lastSeen[slot] = at
    if (workflow !== '' || parent !== '') this.#named[slot] = 1
    if (parent !== '') {
      this.#tree.descend(slot, agent, parent)
      this.#tree.descend(slot, workflow, parent)
    }
    if (isRetry) {
      this.#retries[slot] = (this.#retries[slot] ?? 0) + 1
      return slot
    }
    this.#calls[slot] = (this.#calls[slot] ?? 0) + 1
    this.#generations.arrive(slot)
    this.#sequences.start(slot, open === 1, at)
    this.#circling[slot] = this.#isNextStep(slot, route, bytes, at) ? 1 : 0
    return slot
  }

  /**
   * A call was tried upstream and is over.
   *
   * @param bytesIn of the request, as received
   * @param bytesOut of the answer
   * @param failed failures are no step of a circle
   */
  settle(slot: number, route: number, bytesIn: number, bytesOut: number, failed: boolean, at: Millis): void {
    if (!this.#leave(slot)) return
    this.#lastSeen[slot] = at
    this.#generations.settle(slot, this.#inFlight[slot] ?? 0)
    this.#sequences.end(slot, at)
    // An exchange without a byte either way says nothing about being the same as another.
    if (failed || (bytesIn <= 0 && bytesOut <= 0)) return
    this.#sequences.edge(slot, route, Math.max(0, bytesIn), Math.max(0, bytesOut))
    const period = this.#sequences.period(slot)
    const polling = period !== 0 && this.#sequences.isPolling(slot)
    // A poll is no work: it uses up no budget. It was counted when it came.
    if (polling && (this.#calls[slot] ?? 0) > 1) this.#calls[slot] = (this.#calls[slot] ?? 0) - 1
    this.#period[slot] = polling ? 0 : period
    this.#circledAt[slot] = at
  }

  /** A call was refused or left while it waited: it never went upstream. */
  withdraw(slot: number): void {
    this.#leave(slot)
  }

  /** What the workflow is seen as, with the call that arrived last. O(1). */
  condition(slot: number): WorkflowCondition {
    if (slot === OTHER_SLOT) return 'ordinary'
    const facts = this.#facts
    const kind = this.#class[slot] ?? 0
    facts.calls = this.#calls[slot] ?? 0
    facts.inFlight = this.#inFlight[slot] ?? 0
    facts.generation = this.#generations.size(slot)
    facts.growths = this.#generations.growths(slot)
    facts.circling = this.#circling[slot] === 1
    facts.named = this.#named[slot] === 1
    facts.callsP99 = this.#classes.callsP99(kind)
    facts.widthP99 = this.#classes.widthP99(kind)
    const condition = fanOutCondition(facts, this.#thresholds)
    if (condition !== 'ordinary' && condition !== 'wide' && condition !== 'amplified') this.#spoilt[slot] = 1
    return condition
  }

  calls(slot: number): number {
    return this.#calls[slot] ?? 0
  }

  inFlight(slot: number): number {
    return this.#inFlight[slot] ?? 0
  }

  depth(slot: number): number {
    return this.#tree.depth(slot)
  }

  reading(slot: number): WorkflowReading {
    return {
      workflow: this.#table.nameOf(slot),
      condition: this.condition(slot),
      calls: this.calls(slot),
      inFlight: this.inFlight(slot),
      width: this.#width[slot] ?? 0,
      depth: this.depth(slot),
      retries: this.#retries[slot] ?? 0,
      firstSeen: this.#firstSeen[slot] ?? 0,
      lastSeen: this.#lastSeen[slot] ?? 0,
    }
  }

  /** Those that are not over, the busiest first: by calls in flight, then by calls. */
  list(now: Millis, most: number): readonly WorkflowReading[] {
    const slots: number[] = []
    for (let slot = 1; slot < this.#table.capacity; slot++) {
      if (this.calls(slot) > 0 && !this.#isOver(slot, now)) slots.push(slot)
    }
    slots.sort((a, b) => this.inFlight(b) - this.inFlight(a) || this.calls(b) - this.calls(a))
    return slots.slice(0, most).map((slot) => this.reading(slot))
  }

  /** The slot to count in: that of the workflow, or of the one that it is part of. */
  #slotOf(workflow: string, agent: string, parent: string, at: Millis): number {
    const name = workflow === '' ? agent : workflow
    const slot = this.#table.slot(name, at)
    if (slot === OTHER_SLOT) return OTHER_SLOT
    if (this.#calls[slot] === 0) {
      this.#inferred[slot] = workflow === '' ? 1 : 0
      if (parent !== '' && parent !== name) this.#tree.join(slot, parent)
    }
    const root = this.#tree.rootOf(slot)
    if (root !== slot) this.#table.touch(root, at)
    return this.#ended(root, at)
  }

  /** The same slot, emptied if what it held is over by now. */
  #ended(slot: number, at: Millis): number {
    if (this.calls(slot) > 0 && this.#isOver(slot, at)) this.#end(slot)
    return slot
  }

  #isOver(slot: number, at: Millis): boolean {
    if (this.inFlight(slot) > 0) return false
    const silence = at - (this.#lastSeen[slot] ?? 0)
    return silence > (this.#inferred[slot] === 1 ? IDLE_GAP_MS : this.#thresholds.ttlMs)
  }

  #begin(slot: number, agent: string, route: number, at: Millis): void {
    this.#firstSeen[slot] = at
    if (this.#class[slot] === 0) this.#class[slot] = this.#classes.join(agent, route, at)
  }

  #isNextStep(slot: number, route: number, bytes: number, at: Millis): boolean {
    const period = this.#period[slot] ?? 0
    if (period === 0 || at - (this.#circledAt[slot] ?? 0) > CIRCLE_FRESH_MS) return false
    return this.#sequences.continues(slot, period, route, bytes)
  }

  /** One call less in flight; false for the shared slot, which keeps no other books. */
  #leave(slot: number): boolean {
    const open = this.#inFlight[slot] ?? 0
    if (open > 0) this.#inFlight[slot] = open - 1
    if (slot === OTHER_SLOT) return false
    this.#table.unpin(slot)
    return true
  }

  /** Looks at one slot per arrival, so that workflows that are over teach their class and make room in time. */
  #sweep(at: Millis): void {
    const slot = this.#hand
    this.#hand = slot + 1 < this.#table.capacity ? slot + 1 : 1
    if (!this.#table.isKnown(slot) || at - this.#table.seenAt(slot) <= this.#thresholds.ttlMs) return
    this.#table.evict(slot)
  }

  /** What the slot held is over: teaches its class, and is forgotten. */
  #end(slot: number): void {
    const kind = this.#class[slot] ?? 0
    if (this.#spoilt[slot] === 0) this.#classes.absorb(kind, this.calls(slot), this.#width[slot] ?? 0)
    if (kind !== 0) this.#classes.leave(kind)
    this.#tree.clear(slot)
    this.#sequences.clear(slot)
    this.#generations.clear(slot)
    this.#class[slot] = 0
    this.#calls[slot] = 0
    this.#retries[slot] = 0
    this.#width[slot] = 0
    this.#named[slot] = 0
    this.#period[slot] = 0
    this.#circling[slot] = 0
    this.#spoilt[slot] = 0
  }
}
