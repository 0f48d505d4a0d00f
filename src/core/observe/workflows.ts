/**
 * What each run of an agent, or of several agents, has done: volume, width, depth, generations and the order of
 * its calls. A workflow is a trace, session or workflow id; without one, what an agent does without an idle gap
 * of 30 s. A workflow whose parent is a known workflow or agent run counts as part of it, so that a tree of
 * sub-agents with a session each is one workflow.
 *
 * The table is bounded: newcomers take the slots of the idle and of those seen once; with none to be had they
 * share slot 0, which is never judged. Memory per slot: about 250 bytes, 4 MB for 16,384, names apart.
 */
import { fanOutCondition, type WorkflowFacts } from '../detect/fan-out.ts'
import type { Millis, WorkflowCondition } from '../model.ts'
import type { CallersPeer } from '../fleet.ts'
import { Elsewhere, weightOfWorkflow } from '../fleet/elsewhere.ts'
import type { WorkflowThresholds } from '../policy.ts'
import type { WorkflowReading } from '../reading.ts'
import { Generations } from './generations.ts'
import { IdentityTable, OTHER_SLOT } from './identity-table.ts'
import { Sequences } from './sequence.ts'
import { SlotRows } from './slot-rows.ts'
import { WorkflowClasses } from './workflow-classes.ts'
import { WorkflowTree } from './workflow-tree.ts'

/** Ends a workflow that only an agent's pauses tell apart (algorithms.md 3(4)). */
const IDLE_GAP_MS = 30_000

/** After this silence a workflow may make room for another one; its time to live only ends its counts. */
const MAKES_ROOM_MS = 60_000

/** Under load not every arrival looks for workflows that are over: 16,384 slots are seen in 16 s all the same. */
const SWEEP_EVERY_MS = 1

/** A circle that was refused this long gets one call through, to show whether it still is one. */
const CIRCLE_FRESH_MS = 30_000

/** Of a row, in 8 bytes: instants. */
const FIRST_SEEN = 0
const LAST_SEEN = 1
const CIRCLED_AT = 2
/** In 4 bytes: counts, the class, the period of the circle it runs in (0 = none), and marks. */
const CALLS = 6
const RETRIES = 7
const IN_FLIGHT = 8
const WIDTH = 9
const CLASS = 10
const PERIOD = 11
const MARKS = 12
const ROW_BYTES = 56
/** Told apart from others of its agent by pauses alone. */
const INFERRED = 1
/** An id or a parent was named: what it does belongs together for sure. */
const NAMED = 2
/** The latest arrival is the next step of the circle. */
const CIRCLING = 4
/** Was more than wide or amplified at some time: teaches its class nothing. */
const SPOILT = 8

export interface WorkflowsOptions {
  readonly size: number
  readonly thresholds: WorkflowThresholds
  readonly upstreams: number
  /** Of the hash of ids, not to be guessed from outside. */
  readonly seed?: number
  /** What the slot held is over: parallel tables must forget it. */
  readonly onForget?: (slot: number) => void
}

export class Workflows {
  #thresholds: WorkflowThresholds
  readonly #table: IdentityTable
  readonly #classes = new WorkflowClasses()
  readonly #tree: WorkflowTree
  readonly #sequences: Sequences
  readonly #generations: Generations
  readonly #rows: SlotRows
  readonly #times: Float64Array
  readonly #counts: Uint32Array
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
  readonly #onForget: ((slot: number) => void) | undefined
  /** There once a board is. */
  #elsewhere: Elsewhere | undefined
  #hand = 1
  #sweptAt: Millis = -Infinity

  constructor(options: WorkflowsOptions) {
    this.#thresholds = options.thresholds
    this.#onForget = options.onForget
    const slots = options.size + 1
    const widths = [IdentityTable, WorkflowTree, Generations, Sequences].map((part) => part.rowBytes)
    const [identity, tree, generations, sequences, own] = SlotRows.shared(slots, [...widths, ROW_BYTES])
    this.#table = new IdentityTable({
      size: options.size,
      idleMs: MAKES_ROOM_MS,
      onEvict: (slot) => this.#end(slot),
      rows: identity,
      seed: options.seed,
    })
    this.#tree = new WorkflowTree(this.#table, tree)
    this.#sequences = new Sequences(slots, sequences)
    this.#generations = new Generations(slots, generations)
    this.#rows = own!
    this.#times = this.#rows.doubles
    this.#counts = this.#rows.words
  }

  /** Workflows that have a slot of their own. */
  get known(): number {
    return this.#table.known
  }

  /** Bytes of the typed arrays by slot; fixed from the constructor on. */
  get bytes(): number {
    const parts = [this.#table, this.#tree, this.#sequences, this.#generations]
    return parts.reduce((sum, part) => sum + part.bytes, this.#rows.bytes)
  }

  adopt(thresholds: WorkflowThresholds): void {
    this.#thresholds = thresholds
  }

  /**
   * A call begins; ends with exactly one `settle` or `withdraw` of the slot that this returns. Long polls and
   * subscriptions do not belong here.
   *
   * @param workflow its id; '' = infer one from the agent and its pauses
   * @param guess the slot that it may well be: that of the agent's call before; 0 = no idea
   * @param parent id of the parent agent, session or workflow; '' = none
   * @param bytes of the request; -1 = not known yet
   * @param isRetry counted apart: a retry is neither volume nor growth
   */
  arrive(
    workflow: string,
    guess: number,
    agent: string,
    parent: string,
    route: number,
    _upstream: number,
    bytes: number,
    isRetry: boolean,
    at: Millis,
  ): number {
    this.#sweep(at)
    const slot = this.#slotOf(workflow, guess, agent, parent, at)
    const counts = this.#counts
    const record = this.#rows.at4(slot)
    if (slot === OTHER_SLOT) {
      counts[record + IN_FLIGHT]! += 1
      return OTHER_SLOT
    }
    if (counts[record + CALLS] === 0 && counts[record + RETRIES] === 0) this.#begin(slot, agent, route, at)
    this.#table.pin(slot)
    const open = counts[record + IN_FLIGHT]! + 1
    counts[record + IN_FLIGHT] = open
    if (open > counts[record + WIDTH]!) counts[record + WIDTH] = open
    this.#times[this.#rows.at8(slot) + LAST_SEEN] = at
    if (workflow !== '' || parent !== '') this.#mark(slot, NAMED, true)
    if (parent !== '') {
      this.#tree.descend(slot, agent, parent)
      this.#tree.descend(slot, workflow, parent)
    }
    if (this.#elsewhere !== undefined && this.#is(slot, NAMED)) this.#tellOf(this.#elsewhere, slot, open)
    if (isRetry) {
      counts[record + RETRIES]! += 1
      return slot
    }
    counts[record + CALLS]! += 1
    this.#generations.arrive(slot)
    this.#sequences.start(slot, open === 1, at)
    this.#mark(slot, CIRCLING, this.#isNextStep(slot, route, bytes, at))
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
    const counts = this.#counts
    const record = this.#rows.at4(slot)
    this.#times[this.#rows.at8(slot) + LAST_SEEN] = at
    this.#generations.settle(slot, counts[record + IN_FLIGHT]!)
    this.#sequences.end(slot, at)
    // An exchange without a byte either way says nothing about being the same as another.
    if (failed || (bytesIn <= 0 && bytesOut <= 0)) return
    this.#sequences.edge(slot, route, Math.max(0, bytesIn), Math.max(0, bytesOut))
    const period = this.#sequences.period(slot)
    const polling = period !== 0 && this.#sequences.isPolling(slot)
    // A poll is no work: it uses up no budget. It was counted when it came.
    if (polling && counts[record + CALLS]! > 1) counts[record + CALLS]! -= 1
    counts[record + PERIOD] = polling ? 0 : period
    this.#times[this.#rows.at8(slot) + CIRCLED_AT] = at
  }

  /** A call was refused or left while it waited: it never went upstream. */
  withdraw(slot: number): void {
    this.#leave(slot)
  }

  /** What the workflow is seen as, with the call that arrived last; an explosion is remembered. O(1). */
  condition(slot: number): WorkflowCondition {
    const condition = this.#judge(slot)
    if (condition !== 'ordinary' && condition !== 'wide' && condition !== 'amplified')
      this.#mark(slot, SPOILT, true)
    return condition
  }

  #judge(slot: number): WorkflowCondition {
    if (slot === OTHER_SLOT) return 'ordinary'
    const facts = this.#facts
    const kind = this.#counts[this.#rows.at4(slot) + CLASS] ?? 0
    facts.calls = this.totalCalls(slot)
    facts.inFlight = this.inFlight(slot) + (this.#elsewhere?.inFlight(slot) ?? 0)
    facts.generation = this.#generations.size(slot)
    facts.growths = this.#generations.growths(slot)
    facts.circling = this.#is(slot, CIRCLING)
    facts.named = this.#is(slot, NAMED)
    facts.callsP99 = this.#classes.callsP99(kind)
    facts.widthP99 = this.#classes.widthP99(kind)
    return fanOutCondition(facts, this.#thresholds)
  }

  /** Through this replica. */
  calls(slot: number): number {
    return this.#counts[this.#rows.at4(slot) + CALLS] ?? 0
  }

  inFlight(slot: number): number {
    return this.#counts[this.#rows.at4(slot) + IN_FLIGHT] ?? 0
  }

  /** Through all replicas, as far as it is known. */
  totalCalls(slot: number): number {
    return this.calls(slot) + (this.#elsewhere?.calls(slot) ?? 0)
  }

  /** The deepest that any replica saw. */
  depth(slot: number): number {
    return Math.max(this.ownDepth(slot), this.#elsewhere?.depth(slot) ?? 0)
  }

  ownDepth(slot: number): number {
    return this.#tree.depth(slot)
  }

  lastSeen(slot: number): Millis {
    return this.#times[this.#rows.at8(slot) + LAST_SEEN] ?? 0
  }

  nameOf(slot: number): string {
    return this.#table.nameOf(slot)
  }

  /** The heaviest named ones, for the other replicas: see `CallersSummary`. The first time it begins to keep count. */
  told(now: Millis): readonly number[] {
    this.#elsewhere ??= new Elsewhere(this.#table.capacity)
    return this.#elsewhere.tell(now, this)
  }

  /** What the other replicas told of theirs. */
  hear(peers: readonly CallersPeer[], at: Millis): void {
    this.#elsewhere?.hear(peers, at, this)
  }

  /** Nothing may have been heard for a while. */
  age(now: Millis): void {
    this.#elsewhere?.age(now)
  }

  reading(slot: number): WorkflowReading {
    return {
      workflow: this.#table.nameOf(slot),
      condition: this.#judge(slot),
      calls: this.calls(slot),
      inFlight: this.inFlight(slot),
      width: this.#counts[this.#rows.at4(slot) + WIDTH] ?? 0,
      depth: this.depth(slot),
      retries: this.#counts[this.#rows.at4(slot) + RETRIES] ?? 0,
      firstSeen: this.#times[this.#rows.at8(slot) + FIRST_SEEN] ?? 0,
      lastSeen: this.#times[this.#rows.at8(slot) + LAST_SEEN] ?? 0,
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

  #tellOf(elsewhere: Elsewhere, slot: number, open: number): void {
    elsewhere.touch(slot, this.#table.nameOf(slot), weightOfWorkflow(this.calls(slot), open))
  }

  /** The slot to count in: that of the workflow, or of the one that it is part of. */
  #slotOf(workflow: string, guess: number, agent: string, parent: string, at: Millis): number {
    const name = workflow === '' ? agent : workflow
    const slot = this.#table.slot(name, at, guess)
    if (slot === OTHER_SLOT) return OTHER_SLOT
    if (this.calls(slot) === 0) {
      this.#mark(slot, INFERRED, workflow === '')
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
    const silence = at - (this.#times[this.#rows.at8(slot) + LAST_SEEN] ?? 0)
    return silence > (this.#is(slot, INFERRED) ? IDLE_GAP_MS : this.#thresholds.ttlMs)
  }

  #begin(slot: number, agent: string, route: number, at: Millis): void {
    this.#times[this.#rows.at8(slot) + FIRST_SEEN] = at
    const index = this.#rows.at4(slot) + CLASS
    if (this.#counts[index] === 0) this.#counts[index] = this.#classes.join(agent, route, at)
  }

  #isNextStep(slot: number, route: number, bytes: number, at: Millis): boolean {
    const period = this.#counts[this.#rows.at4(slot) + PERIOD]!
    if (period === 0 || at - this.#times[this.#rows.at8(slot) + CIRCLED_AT]! > CIRCLE_FRESH_MS) return false
    return this.#sequences.continues(slot, period, route, bytes)
  }

  /** One call less in flight; false for the shared slot, which keeps no other books. */
  #leave(slot: number): boolean {
    if (this.inFlight(slot) > 0) this.#counts[this.#rows.at4(slot) + IN_FLIGHT]! -= 1
    if (slot === OTHER_SLOT) return false
    this.#table.unpin(slot)
    return true
  }

  /** Looks at one slot per arrival, so that workflows that are over teach their class and make room in time. */
  #sweep(at: Millis): void {
    if (at - this.#sweptAt < SWEEP_EVERY_MS) return
    this.#sweptAt = at
    const slot = this.#hand
    this.#hand = slot + 1 < this.#table.capacity ? slot + 1 : 1
    if (!this.#table.isKnown(slot) || at - this.#table.seenAt(slot) <= this.#thresholds.ttlMs) return
    this.#table.evict(slot)
  }

  /** What the slot held is over: teaches its class, and is forgotten. */
  #end(slot: number): void {
    const counts = this.#counts
    const record = this.#rows.at4(slot)
    const kind = counts[record + CLASS]!
    const width = Math.max(counts[record + WIDTH]!, this.#elsewhere?.width(slot) ?? 0)
    if (!this.#is(slot, SPOILT)) this.#classes.absorb(kind, this.totalCalls(slot), width)
    this.#elsewhere?.forget(slot)
    this.#onForget?.(slot)
    if (kind !== 0) this.#classes.leave(kind)
    this.#tree.clear(slot)
    this.#sequences.clear(slot)
    this.#generations.clear(slot)
    for (const field of [CLASS, CALLS, RETRIES, WIDTH, PERIOD]) counts[record + field] = 0
    counts[record + MARKS]! &= INFERRED
  }

  #is(slot: number, mark: number): boolean {
    return (this.#counts[this.#rows.at4(slot) + MARKS]! & mark) !== 0
  }

  #mark(slot: number, mark: number, on: boolean): void {
    const index = this.#rows.at4(slot) + MARKS
    if (on) this.#counts[index]! |= mark
    else this.#counts[index]! &= ~mark
  }
}
