import { describe, expect, it } from 'vitest'
import { loadConfig, readConfig } from './config.ts'
import type { Config } from './config.ts'
import { formatProblem } from './policy/problems.ts'
import { createLog } from './telemetry/log.ts'
import { OtelExport } from './otel-export.ts'
import { OtlpPackagesMissing } from './telemetry/otlp/sdk.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/otlp/' }
const flags = { upstream: ['openai=https://api.openai.com'] }

const otlp = (env: Record<string, string>): Config['otlp'] =>
  loadConfig({ env, flags, cwd: import.meta.dirname }).otlp

function problems(env: Record<string, string>): string[] {
  const read = readConfig({ env, flags, cwd: import.meta.dirname })
  return read.ok ? [] : read.problems.map(formatProblem)
}

describe("OpenTelemetry's own variables", () => {
  it('switch the export on by an endpoint alone, with defaults for the rest', () => {
    expect(otlp({})).toBeUndefined()
    expect(otlp({ OTEL_SERVICE_NAME: 'x', OTEL_RESOURCE_ATTRIBUTES: 'a=b' })).toBeUndefined()
    expect(otlp({ OTEL_EXPORTER_OTLP_ENDPOINT: '' })).toBeUndefined()
    expect(otlp(ENDPOINT)).toEqual({
      endpoint: new URL('http://collector:4318/otlp/'),
      headers: {},
      traces: true,
      metrics: true,
      sampleRatio: 1,
      intervalMs: 60_000,
      serviceName: 'weir',
      resource: {},
    })
  })

  it('give headers, the name of the service and attributes, decoded', () => {
    const read = otlp({
      ...ENDPOINT,
      OTEL_EXPORTER_OTLP_HEADERS: 'Authorization=Bearer%20s3cret, x-tenant=42,',
      OTEL_RESOURCE_ATTRIBUTES: 'service.name=from-resource,deployment.environment.name=a%2Cb',
    })
    expect(read).toMatchObject({
      headers: { Authorization: 'Bearer s3cret', 'x-tenant': '42' },
      serviceName: 'from-resource',
      resource: { 'deployment.environment.name': 'a,b' },
    })
    const named = { OTEL_SERVICE_NAME: '7', OTEL_RESOURCE_ATTRIBUTES: 'service.name=b' }
    expect(otlp({ ...ENDPOINT, ...named })?.serviceName).toBe('7')
  })

  it('switch it off, wholly or by signal', () => {
    expect(otlp({ ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' })).toBeUndefined()
    expect(otlp({ ...ENDPOINT, OTEL_SDK_DISABLED: 'yes' })).toBeDefined()
    expect(otlp({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' })).toMatchObject({
      traces: false,
      metrics: true,
    })
    expect(otlp({ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' })).toBe(undefined)
  })

  it('that are wrong are told by their names, without what they hold', () => {
    const told = problems({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://user:hunter2@collector',
      OTEL_EXPORTER_OTLP_HEADERS: 'hunter2',
      OTEL_RESOURCE_ATTRIBUTES: 'a=%zz',
    })
    expect(told).toHaveLength(3)
    for (const name of [
      'OTEL_EXPORTER_OTLP_HEADERS',
      'OTEL_RESOURCE_ATTRIBUTES',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
    ]) {
      expect(told.filter((line) => line.startsWith(`${name}: `))).toHaveLength(1)
    }
    expect(told.join()).not.toContain('hunter2')
    const header = problems({ ...ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS: 'x-key=hunter2%0d%0aHost:%20b' })
    expect(header).toHaveLength(1)
    expect(header[0]).toContain('printable ASCII')
    expect(header[0]).not.toContain('hunter2')
  })
})

const missing = async (): Promise<never> =>
  Promise.reject(new OtlpPackagesMissing('@opentelemetry/sdk-metrics'))

describe('an endpoint without the optional packages', () => {
  const log = createLog({ level: 'silent', access: false, clock: () => 0 })
  const deps = {
    upstreams: [],
    version: '1',
    clock: () => 0,
    wall: () => 0,
    log,
    ruleId: () => '',
    rulesSince: () => 0,
    writeMetrics: () => {},
  }
  it('is a mistake of the operator that says what to do', async () => {
    await expect(new OtelExport(otlp(ENDPOINT), deps).load(missing)).rejects.toMatchObject({
      name: 'ConfigError',
      message: expect.stringMatching(/^otlp: .*@opentelemetry\/sdk-metrics is not installed.*fix: install/),
    })
  })

  it('that is not there needs none of them', async () => {
    const off = new OtelExport(undefined, deps)
    await off.load(missing)
    off.start()
    await off.stop()
    expect(off.reading.dropped['queue-full']).toBe(0)
  })
})
