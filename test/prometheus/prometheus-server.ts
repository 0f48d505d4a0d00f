/** A Prometheus of its own on a free port, in a folder that goes with it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** One series of an instant query. */
export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: readonly [number, string]
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>
  readonly state: 'pending' | 'firing'
}

const START_MS = 20_000
const SCRAPE = '1s'

export class PrometheusServer {
  readonly #child: ChildProcess
  readonly #folder: string
  readonly url: string
  #output = ''
  #ended = false

  private constructor(child: ChildProcess, folder: string, url: string) {
    this.#child = child
    this.#folder = folder
    this.url = url
    const gather = (chunk: Buffer): void => {
      this.#output = (this.#output + String(chunk)).slice(-16_384)
    }
    child.stdout?.on('data', gather)
    child.stderr?.on('data', gather)
    child.once('error', (error) => gather(Buffer.from(error.message)))
    child.once('exit', () => (this.#ended = true))
  }

  /** @param target `host:port` of the operator's listener @throws when there is no Prometheus, or it does not start */
  static async start(target: string, rules: string): Promise<PrometheusServer> {
    const folder = await mkdtemp(join(tmpdir(), 'weir-prometheus-'))
    const config = {
      global: { scrape_interval: SCRAPE, scrape_timeout: SCRAPE, evaluation_interval: '500ms' },
      rule_files: ['rules.yaml'],
      scrape_configs: [{ job_name: 'weir', static_configs: [{ targets: [target] }] }],
    }
    await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config))
    await writeFile(join(folder, 'rules.yaml'), rules)
    const port = await freePort()
    const words = [
      `--config.file=${join(folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ]
    const child = spawn('prometheus', words, { stdio: ['ignore', 'pipe', 'pipe'] })
    const server = new PrometheusServer(child, folder, `http://127.0.0.1:${port}`)
    for (const by = performance.now() + START_MS; performance.now() < by && !server.#ended; await pause(50)) {
      const ready = await fetch(`${server.url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      )
      if (ready) return server
    }
    await server.stop()
    throw new Error(`Prometheus is not ready (apt-get install prometheus?): ${server.#output}`)
  }

  /** @throws when the query is refused */
  async query(expression: string): Promise<readonly Sample[]> {
    const answer = await fetch(`${this.url}/api/v1/query?query=${encodeURIComponent(expression)}`)
    const body = (await answer.json()) as { error?: string; data?: { result: readonly Sample[] } }
    if (body.data === undefined) throw new Error(`${expression}: ${body.error}`)
    return body.data.result
  }

  async alerts(): Promise<readonly Alert[]> {
    const answer = await fetch(`${this.url}/api/v1/alerts`)
    return ((await answer.json()) as { data: { alerts: readonly Alert[] } }).data.alerts
  }

  async stop(): Promise<void> {
    if (!this.#ended && this.#child.pid !== undefined) {
      const gone = new Promise((resolve) => this.#child.once('exit', resolve))
      this.#child.kill('SIGTERM')
      await gone
    }
    await rm(this.#folder, { recursive: true, force: true })
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (typeof address !== 'object' || address === null) throw new Error('no port is free')
  return address.port
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
