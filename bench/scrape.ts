/**
 * What a scrape costs when a hundred thousand agents are known: milliseconds until it is there, its size, and the
 * longest time for which the event loop did nothing else, as the median of the scrapes and as the worst of them.
 * `scrape` is the page with its default of 20 agents with a series of their own, `scrapeAll` the one with as many as
 * the config allows.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ask, closeAll, open } from './hold/callers.ts'
import { median, rounded } from './overhead/quantiles.ts'
import { buildWeir, startUpstream, startWeir } from './targets/all.ts'
import { inspect, inspected } from './targets/inspection.ts'

const AGENTS = 100_000
const CONNECTIONS = 32
const SCRAPES = 15
const MOST_SERIES = 10_000

export async function run(options: { smoke: boolean }): Promise<Record<string, unknown>> {
  const agents = options.smoke ? 1000 : AGENTS
  const scrapes = options.smoke ? 2 : SCRAPES
  buildWeir()
  const upstream = await startUpstream()
  try {
    return {
      agents,
      ...named('scrape', await scraped(upstream.port, agents, scrapes, undefined)),
      ...named('scrapeAll', await scraped(upstream.port, agents, scrapes, MOST_SERIES)),
    }
  } finally {
    await upstream.stop()
  }
}

interface Scraped {
  readonly ms: number
  readonly bytes: number
  readonly blockMs: number
  readonly worstBlockMs: number
}

function named(name: string, { ms, bytes, blockMs, worstBlockMs }: Scraped): Record<string, number> {
  return {
    [`${name}Ms`]: rounded(ms, 1),
    [`${name}Bytes`]: bytes,
    [`${name}BlockMs`]: rounded(blockMs, 1),
    [`${name}WorstBlockMs`]: rounded(worstBlockMs, 1),
  }
}

async function scraped(
  upstreamPort: number,
  agents: number,
  scrapes: number,
  series: number | undefined,
): Promise<Scraped> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-bench-scrape-'))
  const file = join(directory, 'seen.json')
  const config = join(directory, 'weir.yaml')
  const metrics = series === undefined ? {} : { agents: series }
  writeFileSync(config, JSON.stringify({ tables: { agents: AGENTS }, metrics }))
  const { node, env } = inspected(file, false)
  const weir = await startWeir(upstreamPort, ['--config', config], node, env)
  try {
    await greet(weir.port, `${weir.prefix}/v1/models`, agents)
    const times: number[] = []
    const blocks: number[] = []
    let bytes = 0
    // The first page compiles what the others run.
    await scrape(weir.operator)
    for (let index = 0; index < scrapes; index++) {
      await inspect(weir.pid, file)
      const startedAt = performance.now()
      const page = await scrape(weir.operator)
      times.push(performance.now() - startedAt)
      blocks.push((await inspect(weir.pid, file)).loop.max)
      if (!page.includes(`weir_agents_known ${agents}`)) throw new Error('the page does not know all agents')
      bytes = Math.max(bytes, Buffer.byteLength(page))
    }
    return { ms: median(times), bytes, blockMs: median(blocks), worstBlockMs: Math.max(...blocks) }
  } finally {
    await weir.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** One call of each agent. */
async function greet(port: number, path: string, agents: number): Promise<void> {
  const callers = await Promise.all(Array.from({ length: CONNECTIONS }, () => open(port)))
  let next = 0
  const each = callers.map(async (caller) => {
    while (next < agents) {
      const agent = `agent-${next++}`
      await ask(caller, `GET ${path} HTTP/1.1\r\nhost: weir\r\nweir-agent: ${agent}\r\n\r\n`)
    }
  })
  await Promise.all(each)
  closeAll(callers)
}

function scrape(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path: '/metrics' }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end()
  })
}
