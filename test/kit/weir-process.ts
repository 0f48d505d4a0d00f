/** Weir as a process of its own, that a test or a bench may kill at any moment and start again. */
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const START_MS = 30_000

export interface WeirProcessOptions {
  /** Options of node itself, such as `--max-old-space-size=128`. */
  readonly node?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** What starts node: `['bash', '-c', 'ulimit -n 256; exec "$@"', 'bash']`. */
  readonly under?: readonly string[]
  /** All that it writes, as it comes. */
  readonly onOutput?: (text: string) => void
}

export class WeirProcess {
  readonly #args: readonly string[]
  readonly #child: ChildProcess
  readonly ended: Promise<void>
  #output = ''
  isEnded = false
  /** null = it has not ended, or a signal ended it. */
  exitCode: number | null = null

  /** @param args of `weir run` */
  constructor(args: readonly string[], options: WeirProcessOptions = {}) {
    this.#args = args
    const { node = [], env = {}, under = [] } = options
    const [command, ...rest] = [
      ...under,
      process.execPath,
      ...node,
      '--import',
      'tsx',
      MAIN,
      'run',
      ...this.#args,
    ]
    this.#child = spawn(command!, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env, WEIR_CONFIG: undefined },
    })
    const gather = (chunk: Buffer): void => {
      options.onOutput?.(String(chunk))
      this.#output = (this.#output + String(chunk)).slice(-65_536)
    }
    this.#child.stdout?.on('data', gather)
    this.#child.stderr?.on('data', gather)
    this.ended = new Promise((resolve) => {
      this.#child.once('exit', (code) => {
        this.isEnded = true
        this.exitCode = code
        resolve()
      })
    })
  }

  get output(): string {
    return this.#output
  }

  /** @throws when it ends or says nothing in time */
  async ready(): Promise<{ agents: string; operator: string }> {
    const by = performance.now() + START_MS
    while (performance.now() < by && !this.isEnded) {
      const line = this.#output
        .split('\n')
        .find((text) => text.includes('"msg":"ready"') && text.endsWith('}'))
      if (line !== undefined) {
        const said: unknown = JSON.parse(line)
        if (isReady(said)) return { agents: `http://${said.agents}`, operator: `http://${said.operator}` }
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    throw new Error(`Weir is not ready: ${this.#output}`)
  }

  /** Of what was started: node, or what is around it. */
  get pid(): number {
    return this.#child.pid!
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.ended
  }
}

function isReady(said: unknown): said is { agents: string; operator: string } {
  return typeof said === 'object' && said !== null && 'agents' in said && 'operator' in said
}
