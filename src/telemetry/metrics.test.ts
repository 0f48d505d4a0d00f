import { describe, expect, it } from 'vitest'
import { agentReading, coreReading, upstreamReading } from '../../test/kit/readings.ts'
import { REASONS } from '../core/model.ts'
import type { AgentReading, CoreReading } from '../core/reading.ts'
import { METRICS, metricsReference } from './metric-names.ts'
import type { MetricRow } from './metric-names.ts'
import { createMetrics } from './metrics.ts'
import type { MetricSources } from './metrics.ts'

const sources = (reading: CoreReading, agents: readonly AgentReading[] = []): MetricSources => ({
  upstreams: reading.upstreams.map((_, at) => `up-${at}`),
  version: '1.2.3',
  read: () => reading,
  agents: (most) => agents.slice(0, most),
  gateway: () => ({
    connections: 3,
    connectionsAccepted: 9,
    connectionsDropped: 1,
    upgrades: 0,
    refused: { 404: 2 },
    clientGone: 0,
    connectRetries: 0,
    firstByteTimeouts: 0,
    idleTimeouts: 0,
    bodyTimeouts: 5,
    slowReaders: 0,
    tlsFailures: 0,
    http2Sessions: 0,
    http2Floods: 0,
  }),
  certificates: () => [{ name: 'weir.test', notAfter: 1_800_000_000_000 }],
  auth: () => ({
    checks: { key: { accepted: 3, refused: 2 } },
    denied: { path: 1 },
    capped: 4,
    keys: 5,
    rememberedTokens: 6,
    failing: 0,
    issuers: { 'https://a': Infinity },
  }),
  policy: () => ({ failed: true, loadedAt: 1_700_000_000_000 }),
  own: () => ({ ready: true, pressure: 0.25, loopDelay: { p50: 1, p99: 20, max: 50 } }),
})

/** Name and labels -> value; throws on a line that the text format does not allow. */
function parse(page: string): Map<string, number> {
  const series = new Map<string, number>()
  const typed = new Map<string, string>()
  for (const line of page.split('\n').filter((text) => text !== '')) {
    const type = /^# TYPE (\S+) (counter|gauge|histogram|summary|untyped)$/.exec(line)
    if (type?.[1] !== undefined) {
      if (typed.has(type[1])) throw new Error(`two families named ${type[1]}`)
      typed.set(type[1], type[2] ?? '')
      continue
    }
    if (/^# HELP \S+ \S/.test(line)) continue
    const match =
      /^([a-z_]\w*)(\{\w+="(?:[^"\\\n]|\\[\\"n])*"(?:,\w+="(?:[^"\\\n]|\\[\\"n])*")*\})? (\S+)$/i.exec(line)
    if (match?.[1] === undefined) throw new Error(`not a series: ${line}`)
    const key = `${match[1]}${match[2] ?? ''}`
    if (series.has(key)) throw new Error(`twice: ${key}`)
    if (![...typed.keys()].some((name) => match[1]?.startsWith(name))) throw new Error(`no type: ${line}`)
    series.set(key, match[3] === '+Inf' ? Infinity : Number(match[3]))
  }
  return series
}

const own = (series: Map<string, number>): number =>
  [...series.keys()].filter((key) => key.startsWith('weir_')).length

const scrape = async (from: MetricSources, agentCap = 20): Promise<Map<string, number>> =>
  parse(await createMetrics(from, { agentCap }).scrape())

describe('a scrape', () => {
  it('says what the core reads, in base units', async () => {
    const upstream = upstreamReading({
      condition: 'drifting',
      inFlight: 4,
      limit: 12,
      driftSlow: 3.5,
      arrivals: 9,
      outcomes: { ...upstreamReading().outcomes, passed: 7 },
      verdicts: [{ do: 'hold', reason: 'drift', mode: 'shadow', count: 2 }],
      durations: { bounds: [5, 300_000], counts: [1, 6, 7], sum: 1500 },
    })
    const series = await scrape(sources(coreReading({ upstreams: [upstream], agentsKnown: 5 })))
    expect(series.get('weir_in_flight{upstream="up-0"}')).toBe(4)
    expect(series.get('weir_limit{upstream="up-0"}')).toBe(12)
    expect(series.get('weir_ramp_rate{upstream="up-0"}')).toBe(Infinity)
    expect(series.get('weir_calls_total{upstream="up-0",outcome="passed"}')).toBe(7)
    expect(
      series.get('weir_verdicts_total{upstream="up-0",verdict="hold",reason="drift",mode="shadow"}'),
    ).toBe(2)
    expect(series.get('weir_condition{upstream="up-0",condition="drifting"}')).toBe(1)
    expect(series.get('weir_condition{upstream="up-0",condition="healthy"}')).toBe(0)
    expect(series.get('weir_drift_score{upstream="up-0",side="slow"}')).toBe(3.5)
    expect(series.get('weir_upstream_duration_seconds_bucket{upstream="up-0",le="0.005"}')).toBe(1)
    expect(series.get('weir_upstream_duration_seconds_bucket{upstream="up-0",le="+Inf"}')).toBe(7)
    expect(series.get('weir_upstream_duration_seconds_sum{upstream="up-0"}')).toBe(1.5)
    expect(series.get('weir_upstream_duration_seconds_count{upstream="up-0"}')).toBe(7)
    expect(series.get('weir_agents_known')).toBe(5)
    expect(series.get('weir_refused_total{status="404"}')).toBe(2)
    expect(series.get('weir_auth_checks_total{shown="key",result="refused"}')).toBe(2)
    expect(series.get('weir_auth_issuer_age_seconds{issuer="https://a"}')).toBe(Infinity)
    expect(series.get('weir_timeouts_total{kind="body"}')).toBe(5)
    expect(series.get('weir_policy_reload_failed')).toBe(1)
    expect(series.get('weir_policy_loaded_timestamp_seconds')).toBe(1_700_000_000)
    expect(series.get('weir_event_loop_delay_seconds{quantile="0.99"}')).toBe(0.02)
    expect(series.get('weir_build_info{version="1.2.3"}')).toBe(1)
    expect(series.get('weir_ready')).toBe(1)
  })

  it('shows every family of the table, and the process behind them', async () => {
    const series = await scrape(
      sources(
        coreReading({
          upstreams: [
            upstreamReading({
              verdicts: [{ do: 'pass', reason: 'healthy', mode: 'enforce', count: 1 }],
            }),
          ],
        }),
      ),
    )
    const names = new Set([...series.keys()].map((key) => key.replace(/\{.*/, '')))
    const rows: readonly MetricRow[] = Object.values(METRICS)
    for (const row of rows) expect(names).toContain(row.type === 'histogram' ? `${row.name}_count` : row.name)
    expect(names).toContain('nodejs_eventloop_lag_seconds')
    expect(names).toContain('process_resident_memory_bytes')
  })

  it('keeps a hostile agent id inside its label', async () => {
    const series = await scrape(sources(coreReading(), [agentReading('a"} 1\nweir_ready 0\\', 3)]))
    expect(series.get('weir_ready')).toBe(1)
    expect(series.get('weir_agent_calls_total{agent="a\\"} 1\\nweir_ready 0\\\\"}')).toBe(3)
  })

  it('has as many series after 100,000 agents as after the cap, and takes less than 50 ms', async () => {
    const upstreams = Array.from({ length: 10 }, (_, upstream) =>
      upstreamReading({
        upstream,
        arrivals: 20_000,
        verdicts: REASONS.map((reason) => ({ do: 'hold', reason, mode: 'enforce', count: 1 })),
      }),
    )
    const agents = Array.from({ length: 100_000 }, (_, at) => agentReading(`agent-${at}`, 2))
    const reading = coreReading({ upstreams, agentsKnown: agents.length })
    const few = await scrape(sources(reading, agents.slice(0, 20)))
    const metrics = createMetrics(sources(reading, agents), { agentCap: 20 })
    const times: number[] = []
    for (let round = 0; round < 5; round += 1) {
      const began = performance.now()
      await metrics.scrape()
      times.push(performance.now() - began)
    }
    const many = parse(await metrics.scrape())
    expect(own(many)).toBe(own(few))
    expect(many.get('weir_agent_calls_total{agent="other"}')).toBe(200_000 - 40)
    expect(Math.min(...times)).toBeLessThan(50)
  })

  it('lets calls be served between one thousand agents and the next', async () => {
    const agents = Array.from({ length: 10_000 }, (_, at) => agentReading(`agent-${at}`, 2))
    const metrics = createMetrics(sources(coreReading({ agentsKnown: agents.length }), agents), {
      agentCap: agents.length,
    })
    let turns = 0
    let isWritten = false
    const serve = (): void => {
      turns += 1
      if (!isWritten) setImmediate(serve)
    }
    setImmediate(serve)
    const page = await metrics.scrape()
    isWritten = true
    expect(page.match(/^weir_agent_calls_total\{/gm)).toHaveLength(10_001)
    expect(turns).toBeGreaterThan(10)
  })
})

describe('the table of metrics', () => {
  const rows: readonly MetricRow[] = Object.values(METRICS)

  it('names follow the conventions of Prometheus', () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length)
    const endings = { seconds: '_seconds', bytes: '_bytes' } as const
    for (const { name, type, unit, help } of rows) {
      expect(name.endsWith('_total')).toBe(type === 'counter')
      expect(name.endsWith(unit === 'seconds' || unit === 'bytes' ? endings[unit] : '')).toBe(true)
      expect(help).toMatch(/\.$/)
    }
  })

  it('is what the page of the manual says', async () => {
    await expect(metricsReference()).toMatchFileSnapshot('../../docs/metrics.md')
  })
})
