/**
 * What tracing a call costs, apart: the record at its end, on the call's own path; its two spans (`spansUs`), which
 * are part of the whole export with JSON and HTTP (`exportUs`, CPU time), between other work. Microseconds per call,
 * the best of several rounds; `npx tsx bench/micro/otlp.bench.ts`.
 */
import { spawn } from 'node:child_process'
import { createCallTracing } from '../../src/call-tracing.ts'
import type { Call } from '../../src/proxy/call.ts'
import type { UpstreamOptions } from '../../src/proxy/options.ts'
import type { CallTrace } from '../../src/telemetry/otlp/call-trace.ts'
import { exportOnce } from '../../src/telemetry/otlp/export-once.ts'
import { createSampling } from '../../src/telemetry/otlp/sampling.ts'
import { loadOtlpSdk } from '../../src/telemetry/otlp/sdk.ts'
import { createSpanMaker } from '../../src/telemetry/otlp/spans.ts'
import { fakeCall } from '../../test/kit/fake-call.ts'

const ROUNDS = 5
const OPERATIONS = 20_000
const BATCH = 64
const COLLECTOR = `const server = require('node:http').createServer((request, response) => {
  request.resume().on('end', () => response.end('{}'))
}).listen(0, '127.0.0.1', () => console.log(server.address().port))`
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331'

const sdk = await loadOtlpSdk()
const UPSTREAM = { name: 'openai', url: new URL('https://api.openai.com'), dialect: 'openai' }

function callOf(traceparent: string): Call {
  const { call, request } = fakeCall()
  const headers = Array.from({ length: 16 }, (_, at) => [`x-header-${at}`, 'value']).flat()
  if (traceparent !== '') headers.push('traceparent', traceparent)
  Object.assign(request, { rawHeaders: headers })
  Object.assign(call, {
    upstream: { index: 0 },
    exchange: {},
    sentAt: 1,
    firstByteAt: 2,
    status: 200,
    verdict: { do: 'pass', reason: 'healthy', rule: -1 },
  })
  return call
}

let kept: CallTrace[] = []

function best(operation: () => void): number {
  let least = Infinity
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now()
    for (let at = 0; at < OPERATIONS; at += 1) operation()
    least = Math.min(least, ((performance.now() - began) * 1000) / OPERATIONS)
    kept = kept.slice(-BATCH)
  }
  return Math.round(least * 100) / 100
}

const trace = (ratio: number): ((call: Call) => void) => {
  const ended = createCallTracing({
    otlp: { sample: createSampling(sdk, ratio), trace: (record) => void kept.push(record) },
    upstreams: [UPSTREAM as unknown as UpstreamOptions],
    clock: () => performance.now(),
    wall: () => Date.now(),
    condition: () => 'healthy',
    ruleId: () => '',
  })
  return (call) => ended?.(call, 'passed')
}

const sampled = callOf(`${PARENT}-01`)
const unsampled = callOf(`${PARENT}-00`)
const alone = callOf('')
const all = trace(1)
const none = trace(0)
const figures: Record<string, number> = {
  notSampledUs: best(() => none(unsampled)),
  notSampledRootUs: best(() => none(alone)),
  recordUs: best(() => all(sampled)),
  recordRootUs: best(() => all(alone)),
}

const resource = sdk.resources.resourceFromAttributes({ 'service.name': 'weir' })
const makeSpans = createSpanMaker(sdk, resource, { name: 'weir', version: '1' })
const batch = kept.slice(-BATCH)
figures['spansUs'] = best(() => void makeSpans(batch[0]!))

// In a process of its own, so that its time is not counted here.
const collector = spawn(process.execPath, ['-e', COLLECTOR], { stdio: ['ignore', 'pipe', 'inherit'] })
const port = await new Promise<string>((resolve) =>
  collector.stdout.once('data', (line) => resolve(String(line))),
)
const exporter = new sdk.traceExporter.OTLPTraceExporter({
  url: `http://127.0.0.1:${Number(port)}/v1/traces`,
})
const BATCHES = 40
let exportUs = Infinity
let stallMs = Infinity
for (let round = -1; round < ROUNDS * 2; round += 1) {
  const before = process.cpuUsage()
  for (let at = 0; at < BATCHES; at += 1) {
    const began = performance.now()
    const sent = exportOnce(exporter, batch.flatMap(makeSpans), 5000)
    stallMs = Math.min(stallMs, performance.now() - began)
    await sent
  }
  const { user, system } = process.cpuUsage(before)
  if (round >= 0) exportUs = Math.min(exportUs, (user + system) / (BATCHES * BATCH))
}
collector.kill()
figures['exportUs'] = Math.round(exportUs * 100) / 100
figures['turnOfOneBatchMs'] = Math.round(stallMs * 100) / 100
process.stdout.write(`${JSON.stringify(figures, undefined, 2)}\n`)
