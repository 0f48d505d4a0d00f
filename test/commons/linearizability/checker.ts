/**
 * Whether a recorded history could have happened one step after the other (Herlihy and Wing 1990): each operation takes
 * effect at one instant between its call and its answer. The search is that of Wing and Gong with the memory of Lowe:
 * a set of operations that are done, and the state that they leave, is tried once.
 *
 * An operation without an answer (`answeredAt` Infinity) may take effect at any later time, or never.
 */
export interface Operation<Input, Output> {
  readonly calledAt: number
  readonly answeredAt: number
  readonly input: Input
  /** Undefined when no answer came. */
  readonly output: Output | undefined
}

export interface Model<State, Input, Output> {
  readonly initial: State
  /** The next state, or undefined when the state does not allow this answer. No answer allows any. */
  step(state: State, input: Input, output: Output | undefined): State | undefined
  /** Equal states have equal names. */
  name(state: State): string
}

/** True = there is an order that explains everything. At most a few hundred operations. */
export function isLinearizable<S, I, O>(history: readonly Operation<I, O>[], model: Model<S, I, O>): boolean {
  const operations = [...history].toSorted((one, other) => one.calledAt - other.calledAt)
  const answered = operations.filter(({ answeredAt }) => answeredAt !== Infinity).length
  const tried = new Set<string>()
  const isDone = operations.map(() => false)

  function search(state: S, done: number): boolean {
    if (done === answered) return true
    const key = `${model.name(state)} ${operations.flatMap((_, index) => (isDone[index] ? [index] : [])).join(',')}`
    if (tried.has(key)) return false
    tried.add(key)
    // Whatever is next must have been called before the first answer among those that are left.
    let firstAnswer = Infinity
    for (const [index, operation] of operations.entries()) {
      if (!isDone[index]) firstAnswer = Math.min(firstAnswer, operation.answeredAt)
    }
    for (const [index, { calledAt, answeredAt, input, output }] of operations.entries()) {
      if (isDone[index] || calledAt > firstAnswer) continue
      const next = model.step(state, input, output)
      if (next === undefined) continue
      isDone[index] = true
      if (search(next, done + (answeredAt === Infinity ? 0 : 1))) return true
      isDone[index] = false
    }
    return false
  }

  return search(model.initial, 0)
}

export type RegisterInput =
  | { readonly do: 'read' }
  | { readonly do: 'write'; readonly value: number }
  /** Writes only over this very value. */
  | { readonly do: 'swap'; readonly from: number; readonly value: number }

/** read: the value, 0 = none. write, swap: 1 = it was done, 0 = refused. */
export const REGISTER: Model<number, RegisterInput, number> = {
  initial: 0,
  step(state, input, output) {
    if (input.do === 'read') return output === undefined || output === state ? state : undefined
    const isDone = input.do === 'write' || input.from === state
    if (output !== undefined && (output === 1) !== isDone) return undefined
    return isDone ? input.value : state
  },
  name: String,
}

/** One owner's time with a task, from the answer to its claim until the first of: its end, the end of its lease. */
export interface Ownership {
  readonly task: string
  readonly owner: string
  readonly fence: number
  /** When the claim was asked for: it begins at some instant from here to `from`. */
  readonly askedAt: number
  readonly from: number
  /** Until then it was told that the task is its own. */
  readonly until: number
}

/**
 * @param toleranceMs how far the clocks of two replicas may be apart
 * @returns sentences about tasks that two had at one time, or fences that did not grow; none = all is well
 */
export function ownershipFaults(history: readonly Ownership[], toleranceMs = 0): string[] {
  const faults: string[] = []
  const byTask = new Map<string, Ownership[]>()
  for (const one of history) byTask.set(one.task, [...(byTask.get(one.task) ?? []), one])
  for (const [task, all] of byTask) {
    const inOrder = [...all].toSorted((one, other) => one.fence - other.fence)
    for (let index = 1; index < inOrder.length; index++) {
      const [before, after] = [inOrder[index - 1]!, inOrder[index]!]
      if (after.fence === before.fence) faults.push(`${task}: fence ${after.fence} twice`)
      if (after.from + toleranceMs < before.until) {
        faults.push(`${task}: ${after.owner} has it at ${after.from}, ${before.owner} until ${before.until}`)
      }
    }
  }
  return faults
}
