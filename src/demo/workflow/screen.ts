/** The workflow demo on a terminal: its story line by line, what it comes to below, and at the end what was asked. */
import type { Millis } from '../../core/model.ts'
import type { WorkflowAccount, WorkflowResult } from './account.ts'
import { CREW } from './plan.ts'
import type { Told } from './story.ts'

export interface WorkflowScreen {
  tell(line: string): void
  status(account: WorkflowAccount, agents: number): void
  /** Takes the line at the bottom away. */
  done(): void
}

export function workflowScreen(out: NodeJS.WriteStream, clock: () => Millis): WorkflowScreen {
  const startedAt = clock()
  let bottom = ''
  const clear = (): void => {
    if (out.isTTY && bottom !== '') out.write('\r\u001B[2K')
  }
  return {
    tell(line) {
      clear()
      out.write(`${((clock() - startedAt) / 1000).toFixed(1).padStart(6)} s  ${line}\n`)
      if (out.isTTY) out.write(bottom)
    },
    status({ counts, condition }, agents) {
      if (!out.isTTY) return
      clear()
      const { created, done, running, parked, gate } = counts
      bottom = `agents ${agents}/${CREW.length}  tasks ${created}: ${done} done, ${running} running, ${parked} waiting for the model, ${gate} at the gate  model: ${condition}`
      out.write((bottom = bottom.slice(0, (out.columns || 120) - 1)))
    },
    done() {
      clear()
      bottom = ''
    },
  }
}

export function workflowText({ result, answers, foretold }: Told): string {
  const asked = answers.map(
    ({ question, command, answer }) => `${question}\n$ ${command}\n${indented(answer.trimEnd())}\n`,
  )
  const { killed } = result
  const foreseen = `Asked about ${killed.task} an instant before ${killed.agent} was killed, Weir said:\n${indented(foretold.join('\n'))}\nand so it was: ${killed.nextOwner} had it ${killed.seconds} s later.\n`
  return [...asked, foreseen, accountText(result)].join('\n')
}

function accountText(result: WorkflowResult): string {
  const { stories, tasks, completedOnceRatio, publishedOnce, degraded, humanInput, seconds, faults } = result
  const rows: readonly (readonly [string, string])[] = [
    ['stories, tasks', `${stories}, ${tasks}`],
    ['tasks completed exactly once', `${(100 * completedOnceRatio).toFixed(0)} %`],
    ['stories published exactly once', `${publishedOnce} of ${stories}`],
    ['tasks that waited for the model', String(degraded.parked)],
    ['tasks given out while it was not well', String(degraded.dispatchedMeanwhile)],
    ['decisions that a person had to take', String(humanInput)],
    ['seconds', String(seconds)],
  ]
  const lines = rows.map(([name, value]) => `  ${name.padEnd(40)}${value.padStart(10)}`)
  const wrong = faults.map((fault) => `  NOT AS IT SHOULD BE: ${fault}`)
  return `${[...lines, ...wrong].join('\n')}\n`
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}
