/** Weirs as processes of their own, and what they say of themselves. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../targets/target.ts'
import { ROOT } from '../targets/all.ts'

export const POLICY = `version: 1
upstreams:
  '*':
    drift: { warmUp: 5s }
    slots: { max: 22s }
    release: { probeEvery: 500ms, probeMax: 1s, passes: 2, start: 30%, growth: 1.5, window: 250ms }
rules:
  - name: hold
    mode: enforce
    when: { upstream: [drifting, storming, degraded, down, recovering] }
    then: { do: hold }
`

export interface Told {
  /** Wall clock in ms. */
  readonly at: number
  readonly msg: string
  readonly level: string
}

export class Sidecar {
  /** Of the upstream `api`. */
  readonly base: string
  readonly #origin: string
  readonly told: Told[] = []
  readonly #operator: string
  readonly #child: ChildProcess
  readonly #directory: string

  private constructor(child: ChildProcess, port: number, operator: number, directory: string) {
    this.#child = child
    this.#origin = `http://127.0.0.1:${port}`
    this.base = this.baseOf('api')
    this.#operator = `http://127.0.0.1:${operator}`
    this.#directory = directory
  }

  /** @param extra options of `weir run` */
  static async start(
    upstream: string,
    extra: readonly string[] = [],
    { policy = POLICY, env = {} }: { policy?: string; env?: Record<string, string> } = {},
  ): Promise<Sidecar> {
    const listen = await freePort()
    const operator = await freePort()
    const directory = mkdtempSync(join(tmpdir(), 'weir-fleet-'))
    writeFileSync(join(directory, 'fleet.yaml'), policy)
    const words = [
      `--upstream=api=${upstream}`,
      `--listen=127.0.0.1:${listen}`,
      `--operator=127.0.0.1:${operator}`,
    ]
    const args = ['--enable-source-maps', join(ROOT, 'dist/main.js'), 'run', ...words]
    const child = spawn(
      process.execPath,
      [...args, `--policies=${join(directory, 'fleet.yaml')}`, ...extra],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { ...process.env, ...env },
      },
    )
    const sidecar = new Sidecar(child, listen, operator, directory)
    sidecar.#listen()
    for (let tries = 0; tries < 400; tries++) {
      if (await sidecar.ready()) return sidecar
      await sleep(50)
    }
    await sidecar.stop()
    throw new Error('a sidecar did not become ready within 20 s')
  }

  baseOf(upstream: string): string {
    return `${this.#origin}/${upstream}`
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  async ready(): Promise<boolean> {
    const answer = await fetch(`${this.#operator}/readyz`).catch(() => undefined)
    await answer?.arrayBuffer()
    return answer?.status === 200
  }

  async metric(name: string): Promise<number> {
    const page = await (await fetch(`${this.#operator}/metrics`)).text()
    return Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(page)?.[1])
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** Drains, and waits for the end. */
  async stop(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve))
      this.#child.kill('SIGTERM')
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 60_000)
      await gone
      clearTimeout(timer)
    }
    rmSync(this.#directory, { recursive: true, force: true })
  }

  #listen(): void {
    let rest = ''
    this.#child.stdout?.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        try {
          const { time, msg, level } = JSON.parse(line) as { time: number; msg: string; level: string }
          this.told.push({ at: time, msg, level })
        } catch {
          // Not a line of the log.
        }
      }
    })
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
