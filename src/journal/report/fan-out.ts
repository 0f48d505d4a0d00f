/**
 * Fan-out: how many calls one piece of work becomes, how many at once, how deep. Workflows are told apart as the core
 * does it (`observe/workflows.ts`): by their id; without one, what an agent does without a pause; and a workflow
 * whose parent is a known workflow or agent is part of that one.
 */
import type { Millis } from '../../core/model.ts'
import type { OrderedCall } from './call-order.ts'
import { CountSpread, type SpreadFindings } from './count-spread.ts'
import { WorkflowShape, type WorkflowFindings } from './workflow-shape.ts'

/** Ends a workflow that only an agent's pauses tell apart; the core's. */
const IDLE_GAP_MS: Millis = 30_000
/** Ends any other: the default `workflow.ttl` of policies. */
const TTL_MS: Millis = 900_000
/** Open at once; past it the one that is silent for longest ends early. */
const MOST_OPEN = 16_384
const SWEEP_EVERY = 8192
/** Kept of those that ended, by width and by calls. */
const SHOWN_WIDEST = 12
const SHOWN_BUSIEST = 20

export interface FanOutFindings {
  readonly workflows: number
  /** Of them had an id on the wire. */
  readonly named: number
  readonly calls: SpreadFindings
  readonly width: SpreadFindings
  /** Levels of agents. */
  readonly depth: SpreadFindings
  readonly steps: SpreadFindings
  readonly widest: readonly WorkflowFindings[]
  readonly busiest: readonly Omit<WorkflowFindings, 'tree'>[]
  /** Ended early, for want of room. */
  readonly cutShort: number
}

export class FanOut {
  readonly #open = new Map<string, WorkflowShape>()
  readonly #calls = new CountSpread()
  readonly #width = new CountSpread()
  readonly #depth = new CountSpread()
  readonly #steps = new CountSpread()
  readonly #widest = new TopShapes(SHOWN_WIDEST, (a, b) => b.width - a.width || b.calls - a.calls)
  readonly #busiest = new TopShapes(
    SHOWN_BUSIEST,
    (a, b) => b.calls + b.retries - a.calls - a.retries || b.width - a.width,
  )
  #workflows = 0
  #named = 0
  #cutShort = 0
  #sinceSweep = 0

  /** @param now the ordered clock; @param arrivedAt ms since the epoch */
  arrive(call: OrderedCall, now: Millis, arrivedAt: Millis): void {
    const { line } = call
    if (line.longLived === true) return
    this.#sinceSweep += 1
    if (this.#sinceSweep >= SWEEP_EVERY) this.#sweep(now)
    const shape = this.#shapeOf(call, now, arrivedAt)
    call.workflow = shape
    shape.lastAt = now
    call.step = shape.arrive(line, call.retry >= 0.5)
  }

  ended(call: OrderedCall, now: Millis, endedAt: Millis): void {
    const shape = call.workflow
    if (!(shape instanceof WorkflowShape)) return
    shape.lastAt = Math.max(shape.lastAt, now)
    shape.end(call.line, call.step, endedAt)
  }

  /** A run ends, and all that was open with it. */
  end(): void {
    for (const shape of this.#open.values()) this.#close(shape)
    this.#open.clear()
  }

  findings(): FanOutFindings {
    return {
      workflows: this.#workflows,
      named: this.#named,
      calls: this.#calls.findings(),
      width: this.#width.findings(),
      depth: this.#depth.findings(),
      steps: this.#steps.findings(),
      widest: this.#widest.list.map((shape) => shape.findings()),
      busiest: this.#busiest.list.map((shape) => {
        const { tree: _, ...rest } = shape.findings()
        return rest
      }),
      cutShort: this.#cutShort,
    }
  }

  #shapeOf({ line }: OrderedCall, now: Millis, arrivedAt: Millis): WorkflowShape {
    const name = line.workflow ?? line.agent
    const known = this.#open.get(name)
    if (known !== undefined && !known.closed) {
      if (!isOver(known, now)) return known
      this.#close(known)
    }
    const above = line.parent === undefined || line.parent === name ? undefined : this.#open.get(line.parent)
    const isPart = above !== undefined && !above.closed && !isOver(above, now)
    const shape = isPart ? above : new WorkflowShape(name, line.workflow === undefined, arrivedAt)
    this.#open.set(name, shape)
    return shape
  }

  #sweep(now: Millis): void {
    this.#sinceSweep = 0
    for (const [name, shape] of this.#open) {
      if (!shape.closed && isOver(shape, now)) this.#close(shape)
      if (shape.closed) this.#open.delete(name)
    }
    if (this.#open.size <= MOST_OPEN) return
    const bySilence = [...this.#open].toSorted(([, a], [, b]) => a.lastAt - b.lastAt)
    for (const [name, shape] of bySilence.slice(0, this.#open.size - MOST_OPEN)) {
      if (!shape.closed) this.#cutShort += 1
      this.#close(shape)
      this.#open.delete(name)
    }
  }

  #close(shape: WorkflowShape): void {
    if (shape.closed) return
    shape.closed = true
    this.#workflows += 1
    if (!shape.inferred) this.#named += 1
    this.#calls.add(shape.calls)
    this.#width.add(shape.width)
    this.#depth.add(shape.depth)
    this.#steps.add(shape.steps)
    this.#widest.offer(shape)
    this.#busiest.offer(shape)
  }
}

function isOver(shape: WorkflowShape, now: Millis): boolean {
  return shape.open === 0 && now - shape.lastAt > (shape.inferred ? IDLE_GAP_MS : TTL_MS)
}

class TopShapes {
  readonly list: WorkflowShape[] = []
  readonly #most: number
  readonly #compare: (a: WorkflowShape, b: WorkflowShape) => number

  constructor(most: number, compare: (a: WorkflowShape, b: WorkflowShape) => number) {
    this.#most = most
    this.#compare = compare
  }

  /** Of equals, the one that came first stays. */
  offer(shape: WorkflowShape): void {
    const last = this.list.at(-1)
    if (last !== undefined && this.list.length >= this.#most && this.#compare(shape, last) >= 0) return
    let index = this.list.length
    while (index > 0 && this.#compare(shape, this.list[index - 1]!) < 0) index -= 1
    this.list.splice(index, 0, shape)
    if (this.list.length > this.#most) this.list.pop()
  }
}
