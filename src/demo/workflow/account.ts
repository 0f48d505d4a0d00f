/** Keeps the account of the workflow demo from the bus alone, and says at the end what came of it. */
import type { Millis } from '../../core/model.ts'
import { STEPS } from './plan.ts'
import type { StoryEvent } from './sentences.ts'
import { textOf } from './speaker.ts'

/** What became of the workflow; times in seconds. */
export interface WorkflowResult {
  readonly ok: boolean
  /** What is not as it should be; empty = nothing. */
  readonly faults: readonly string[]
  readonly stories: number
  readonly tasks: number
  readonly done: number
  /** Tasks that were completed exactly once, over all tasks. */
  readonly completedOnceRatio: number
  /** Publications that reached the outside exactly once. */
  readonly publishedOnce: number
  readonly killed: {
    readonly agent: string
    readonly task: string
    readonly nextOwner: string
    readonly seconds: number
  }
  readonly degraded: {
    readonly upstream: string
    /** Tasks that were kept back while it could not bear them. */
    readonly parked: number
    readonly resumed: number
    /** Tasks that need it, given to an owner while it was drifting, storming, degraded or down. */
    readonly dispatchedMeanwhile: number
  }
  /** Times that a person had to decide. */
  readonly humanInput: number
  /** By type. */
  readonly events: Readonly<Record<string, number>>
  readonly seconds: number
}

/** Conditions in which an upstream bears no new task. */
const UNWELL: ReadonlySet<string> = new Set(['drifting', 'storming', 'degraded', 'down'])
/** Of the core's word until it is the gate's: a reading is at most so old. */
const GRACE_MS: Millis = 250

export class WorkflowAccount {
  readonly counts = { created: 0, running: 0, parked: 0, done: 0, gate: 0 }
  condition = 'healthy'
  readonly #completions = new Map<string, number>()
  readonly #states = new Map<string, string>()
  readonly #events: Record<string, number> = {}
  #unwellSince: Millis = Infinity
  #dispatchedMeanwhile = 0
  #killed: { agent: string; task: string; at: Millis } | undefined
  #nextOwner = { name: '', seconds: Number.NaN }

  /** @param needs whether this step needs the upstream that degrades */
  take({ type, data }: StoryEvent, upstream: string, needs: (kind: string) => boolean, at: Millis): void {
    this.#events[type] = (this.#events[type] ?? 0) + 1
    if (type === 'weir.condition.changed' && textOf(data, 'upstream') === upstream) {
      this.condition = textOf(data, 'to')
      const isUnwell = UNWELL.has(this.condition)
      this.#unwellSince = isUnwell ? Math.min(this.#unwellSince, at) : Infinity
    }
    if (!type.startsWith('weir.task.')) return
    const task = textOf(data, 'task')
    this.#states.set(task, textOf(data, 'to'))
    const states = [...this.#states.values()]
    this.counts.created = states.length
    for (const name of ['running', 'parked', 'done', 'gate'] as const) {
      this.counts[name] = states.filter((state) => state === name).length
    }
    if (type === 'weir.task.done') this.#completions.set(task, (this.#completions.get(task) ?? 0) + 1)
    if (type !== 'weir.task.assigned') return
    if (needs(textOf(data, 'kind')) && at - this.#unwellSince > GRACE_MS) this.#dispatchedMeanwhile += 1
    if (this.#killed?.task === task && this.#nextOwner.name === '') {
      this.#nextOwner = { name: textOf(data, 'owner'), seconds: (at - this.#killed.at) / 1000 }
    }
  }

  killed(agent: string, task: string, at: Millis): void {
    this.#killed = { agent, task, at }
  }

  /** Somebody else has what the killed agent had. */
  get isTakenOver(): boolean {
    return this.#nextOwner.name !== ''
  }

  result(
    stories: number,
    publications: readonly number[],
    upstream: string,
    seconds: number,
  ): WorkflowResult {
    const tasks = stories * STEPS.length
    const once = [...this.#completions.values()].filter((times) => times === 1).length
    const publishedOnce = publications.filter((times) => times === 1).length
    const count = (type: string): number => this.#events[type] ?? 0
    const [parked, resumed] = [count('weir.task.parked'), count('weir.task.resumed')]
    const dispatchedMeanwhile = this.#dispatchedMeanwhile
    const faults = [
      ...(once === tasks ? [] : [`${once} of ${tasks} tasks were completed exactly once`]),
      ...(publishedOnce === stories
        ? []
        : [`${publishedOnce} of ${stories} stories were published exactly once`]),
      ...(this.#nextOwner.name === '' ? ['nobody took what the killed agent had'] : []),
      ...(parked === 0 ? [`no task waited for ${upstream}`] : []),
      ...(dispatchedMeanwhile === 0
        ? []
        : [`${dispatchedMeanwhile} tasks were given out while ${upstream} was not well`]),
      ...(count('weir.task.gated') === 0 ? [] : ['a person was needed']),
    ]
    return {
      ok: faults.length === 0,
      faults,
      stories,
      tasks,
      done: this.counts.done,
      completedOnceRatio: once / tasks,
      publishedOnce,
      killed: {
        agent: this.#killed?.agent ?? '',
        task: this.#killed?.task ?? '',
        nextOwner: this.#nextOwner.name,
        seconds: Math.round(100 * this.#nextOwner.seconds) / 100,
      },
      degraded: { upstream, parked, resumed, dispatchedMeanwhile },
      humanInput: count('weir.task.gated'),
      events: this.#events,
      seconds: Math.round(10 * seconds) / 10,
    }
  }
}
