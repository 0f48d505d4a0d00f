/** Looks into a process that was started with `inspect.mjs`: memory, and how late its event loop was. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'

const SCRIPT = join(import.meta.dirname, 'inspect.mjs')
const WAIT_MS = 30_000
const LOOK_EVERY_MS = 20

interface Seen {
  /** Milliseconds of delay since it was last looked at. */
  readonly loop: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly memory: NodeJS.MemoryUsage
}

/** Arguments and environment of Node. @param file where a report goes; @param collects garbage before each look */
export function inspected(
  file: string,
  collects: boolean,
): { node: readonly string[]; env: Record<string, string> } {
  return {
    node: ['--expose-gc', `--import=${SCRIPT}`],
    env: { INSPECT_FILE: file, INSPECT_MODE: collects ? 'gc' : '' },
  }
}

/** @throws when it does not report within half a minute */
export async function inspect(pid: number, file: string): Promise<Seen> {
  rmSync(file, { force: true })
  process.kill(pid, 'SIGUSR2')
  for (let waited = 0; waited < WAIT_MS; waited += LOOK_EVERY_MS) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS))
    if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Seen
  }
  throw new Error(`process ${pid} wrote nothing to ${file}`)
}
