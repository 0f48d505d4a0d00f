/** Processes that stand still, as under a debugger, a full host or a long collection. */
import { kill } from 'node:process'

/** SIGSTOP, and SIGCONT after `ms`. */
export async function stall(pid: number, ms: number): Promise<void> {
  kill(pid, 'SIGSTOP')
  await new Promise((resolve) => setTimeout(resolve, ms))
  kill(pid, 'SIGCONT')
}
