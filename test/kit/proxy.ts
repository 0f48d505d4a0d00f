/** A proxy on port 0 in front of given upstreams, with the product's defaults and short names for its parts. */
import type { Coordinator } from '../../src/core/coordinator.ts'
import type { Outcome } from '../../src/core/model.ts'
import type { ProxyOptions, UpstreamOptions } from '../../src/proxy/options.ts'
import { createProxy, type Proxy, type ProxyDeps } from '../../src/proxy/proxy.ts'
import { FakeCore } from './fake-core.ts'

/** `WEIR_TEST_CLIENT=undici` has the same tests judge the other client. */
const CLIENT = process.env['WEIR_TEST_CLIENT'] === 'undici' ? 'undici' : 'wire'

export interface TestProxyOptions {
  /** By name; a URL stands for its defaults. */
  readonly upstreams: Readonly<Record<string, URL | (Partial<UpstreamOptions> & { url: URL })>>
  readonly limits?: Partial<ProxyOptions['limits']>
  readonly hold?: Partial<ProxyOptions['hold']>
  readonly drainMs?: number
  readonly drainDelayMs?: number
  readonly core?: Coordinator
  readonly own?: NonNullable<ProxyDeps['own']>
  readonly tls?: ProxyOptions['tls']
  readonly http2?: ProxyOptions['http2']
}

export interface TestProxy {
  readonly proxy: Proxy
  /** Of no use when the test brought a core of its own. */
  readonly core: FakeCore
  readonly port: number
  readonly origin: string
  /** Outcomes of all calls that have ended, in order. */
  readonly outcomes: Outcome[]
  /** Lines of the log. */
  readonly logged: string[]
  close(): Promise<void>
}

export async function startProxy(options: TestProxyOptions): Promise<TestProxy> {
  const core = new FakeCore()
  const outcomes: Outcome[] = []
  const logged: string[] = []
  const note = (fields: object, message: string): void => {
    logged.push(`${message} ${JSON.stringify(fields)}`)
  }
  const proxy = createProxy(proxyOptions(options), {
    core: options.core ?? core,
    clock: () => performance.now(),
    wall: () => Date.now(),
    log: { debug: note, info: note, warn: note, error: note },
    onCallEnd: (_call, outcome) => outcomes.push(outcome),
    ...(options.own === undefined ? {} : { own: options.own }),
  })
  const { port } = await proxy.listen()
  const origin = `http://127.0.0.1:${port}`
  return { proxy, core, port, origin, outcomes, logged, close: () => proxy.close() }
}

function proxyOptions(options: TestProxyOptions): ProxyOptions {
  return {
    listen: { host: '127.0.0.1', port: 0 },
    upstreams: Object.entries(options.upstreams).map(([name, given]) => ({
      name,
      dialect: 'problem',
      connectTimeoutMs: 5000,
      firstByteTimeoutMs: 300_000,
      idleTimeoutMs: 300_000,
      connections: 128,
      maxInFlight: 1024,
      websocket: true,
      client: CLIENT,
      ca: undefined,
      ...(given instanceof URL ? { url: given } : given),
    })),
    tls: options.tls,
    http2: options.http2,
    identity: { hashKey: Buffer.alloc(32, 7), agentHeader: 'x-agent-id' },
    limits: {
      headerBytes: 32 * 1024,
      headerCount: 100,
      urlBytes: 8192,
      connections: 10_000,
      headTimeoutMs: 10_000,
      bodyIdleMs: 60_000,
      slowReaderMs: 60_000,
      keepAliveMs: 75_000,
      upgrades: 1000,
      upgradeIdleMs: 300_000,
      ...options.limits,
    },
    hold: { bodyBytes: 1024 * 1024, totalBytes: 256 * 1024 * 1024, hopMs: 55_000, ...options.hold },
    drainMs: options.drainMs ?? 55_000,
    drainDelayMs: options.drainDelayMs ?? 5000,
  }
}
