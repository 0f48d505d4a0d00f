/** `weir demo --workflow`: four agents, one workflow, one loss, one degradation, and three questions at the end. */
import { execFile } from 'node:child_process'
import { extname, join } from 'node:path'
import { promisify } from 'node:util'
import { workflowScreen, workflowText } from '../demo/workflow/screen.ts'
import { workflowStage } from '../demo/workflow/stage.ts'
import { FULL_WORKFLOW, playWorkflow, QUICK_WORKFLOW } from '../demo/workflow/story.ts'

interface WorkflowFlags {
  readonly quick?: boolean
  readonly json?: boolean
}

/** Exit code 1 when the workflow did not come out as it should. */
export async function workflowDemo({ quick, json }: WorkflowFlags): Promise<void> {
  const stage = await workflowStage()
  const screen = workflowScreen(process.stderr, () => performance.now())
  try {
    const told = await playWorkflow(stage, quick === true ? QUICK_WORKFLOW : FULL_WORKFLOW, {
      tell: (line) => screen.tell(line),
      status: (account, agents) => screen.status(account, agents),
      ask: (...words) => weir(...words, '--weir', stage.origin),
    })
    screen.done()
    process.stdout.write(
      json === true ? `${JSON.stringify(told, undefined, 2)}\n` : `\n${workflowText(told)}`,
    )
    if (!told.result.ok) process.exitCode = 1
  } finally {
    screen.done()
    await stage.close()
  }
}

/** A verb of this very program, as somebody else would run it. */
async function weir(...words: string[]): Promise<string> {
  const main = join(import.meta.dirname, `../main${extname(import.meta.filename)}`)
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, main, ...words])
  return stdout
}
