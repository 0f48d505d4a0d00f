/** The room's face: joins the stages, starts and ends them. */
import { randomBytes } from 'node:crypto'
import type { Coordinator } from '../core/coordinator.ts'
import type { CoreEvent, Directive, Millis, Outcome, UpstreamIndex } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import type { Carry } from '../defer/runner.ts'
import type { Call } from './call.ts'
import { CallTable } from './call-table.ts'
import { driveCore } from './core-driver.ts'
import { createCallDeferrer, type CallDeferrer, type DeferralDesk } from './defer-call.ts'
import { createEnactor, type Enactor } from './enact.ts'
import { createForwarder } from './forward.ts'
import type { Gate } from '../identity/gate.ts'
import { Guests } from './guests.ts'
import { createIdentifier, type Identifier } from './identify.ts'
import { IdleSweep, sweepInterval } from './idle-sweep.ts'
import { keptOf, type Injected } from './injected-credentials.ts'
import { createInnerCalls, createRunGate } from './inner-calls.ts'
import { createLifecycle, type OwnHandler } from './lifecycle.ts'
import { strippedNames } from './known-headers.ts'
import { createListener } from './listener.ts'
import { connectionRoom, openFilesLimit } from './open-files.ts'
import type { ProxyOptions } from './options.ts'
import type { ProxyLog } from './proxy-log.ts'
import { createProxyStats, type ProxyStats } from './proxy-stats.ts'
import { createResponder } from './respond.ts'
import { createRouter } from './route.ts'
import type { CertificateReading } from './tls-keeper.ts'
import { Tunnels } from './upgrade.ts'
import { createUpstreams } from './upstreams.ts'

/** How often a drain looks whether all calls have ended. */
const LOOK_EVERY_MS: Millis = 20
/** What is left of the drain time when held calls must have their answers: time to write them. */
const ANSWER_MS = { part: 0.1, least: 250, most: 2000 } as const

export interface Proxy {
  /** Binds and accepts. @throws the error of `listen`, such as EADDRINUSE */
  listen(): Promise<{ host: string; port: number }>
  readonly address: { host: string; port: number } | undefined
  /** From the first moment of a drain: readiness has to be false. */
  readonly isDraining: boolean
  /**
   * Ends in order: goes on accepting for `drainDelayMs`, then closes the listener and every connection as it
   * becomes idle, and resolves when nothing is left, or at `drainMs`, when what is left is cut.
   */
  drain(): Promise<void>
  /** Ends at once, whatever is in progress. */
  close(): Promise<void>
  /** From the next call on another policy rules; what it lets go is let go now. */
  adopt(policy: Policy): void
  /** The core was told something by another way than a call: what is due is done. */
  look(): void
  /** Places in the core for work that Weir does not carry itself: see `src/admit`. */
  readonly guests: Guests
  /** Runs deferred calls through this proxy. */
  readonly carry: Carry
  /** Live; read it on a scrape. */
  readonly stats: Readonly<ProxyStats>
  /** TLS certificates in force; none without TLS. */
  readonly certificates: readonly CertificateReading[]
  /** Reads the certificates now; false = refused, and the last good ones stay. */
  reloadCertificates(): boolean
}

export interface ProxyDeps {
  readonly core: Coordinator
  /** Monotonic ms, such as `performance.now`. */
  readonly clock: () => Millis
  /** Wall clock in ms; only for dates in headers. */
  readonly wall: () => number
  readonly log: ProxyLog
  readonly onEvent?: (event: CoreEvent) => void
  /** After a call's outcome; the call and its arrival are reused afterwards: copy what is kept. */
  readonly onCallEnd?: (call: Call, outcome: Outcome) => void
  /** Accepts calls that are answered later; without it none is. */
  readonly desk?: DeferralDesk | undefined
  /** Who calls, by what it shows, and whether it may; without it nobody has to show anything. */
  readonly gate?: Gate | undefined
  /** What is put on the calls of an upstream, by its index. */
  readonly injected?: ((upstream: UpstreamIndex) => Injected | undefined) | undefined
  /** Serves `/weir/...`; without it all of that is 404. */
  readonly own?: OwnHandler
  /** In place of the one that reads headers: `bench/targets/weir-seam.mjs` measures what it costs. */
  readonly identify?: Identifier
}

export function createProxy(options: ProxyOptions, deps: ProxyDeps): Proxy {
  const { clock, wall, log } = deps
  const { limits } = options
  const stats = createProxyStats()
  const viaName = `weir-${randomBytes(6).toString('hex')}`
  const upstreams = createUpstreams(options.upstreams)
  const calls = new CallTable()
  const tunnels = new Tunnels(limits.upgrades)
  const sweep = new IdleSweep(clock, sweepInterval(limitsOf(options)))
  const respond = createResponder({ clock, wall, log })
  /** Known once the port is: names under which absolute-form targets are our own. */
  const ownAuthorities = new Set<string>()
  const core = driveCore(deps.core, clock, onDirective)

  const route = createRouter(upstreams, { urlBytes: limits.urlBytes }, ownAuthorities)
  const identify =
    deps.identify ??
    createIdentifier({
      ...options.identity,
      wallClock: wall,
      isReserved: deps.gate === undefined ? undefined : (name) => deps.gate?.isReserved(name) === true,
    })
  const guests = new Guests({ core, clock, calls, route, identify, gate: deps.gate })
  const inner = createInnerCalls((socket) => listener.inject(socket), wall)
  const lifecycle = createLifecycle({
    core,
    clock,
    deferrer: () => deferrer,
    runOf: (socket) => inner.runOf(socket),
    route,
    identify,
    gate: deps.gate,
    upstreams,
    calls,
    enactor: () => enactor,
    respond,
    framing: { headerCount: limits.headerCount, viaName },
    stats,
    own: deps.own ?? (() => false),
    log,
    onCallEnd: deps.onCallEnd ?? (() => {}),
  })
  const { end, reroute } = lifecycle
  const ending = { end, bySlot: (slot: number) => calls.bySlot(slot) }
  const deferrer: CallDeferrer | undefined =
    deps.desk === undefined
      ? undefined
      : createCallDeferrer({
          desk: deps.desk,
          clock,
          respond,
          calls: ending,
          totalBytes: options.hold.totalBytes,
          bodyIdleMs: limits.bodyIdleMs,
          isDraining: () => draining !== undefined || isClosed,
          keptHeaders: (rawHeaders, upstream) => keptOf(rawHeaders, deps.injected?.(upstream)),
        })
  const forward = createForwarder({
    core,
    clock,
    wall,
    respond,
    calls: ending,
    sweep,
    limits,
    tunnels,
    stats,
    log,
    viaName,
    stripped: strippedNames(options.identity.agentHeader, deps.gate !== undefined),
    injected: deps.injected,
  })
  const enactor: Enactor = createEnactor({
    core,
    clock,
    wall,
    forward: createRunGate(forward, { core, clock, respond, calls: ending }),
    respond,
    calls: ending,
    hold: options.hold,
    reroute,
    bodyIdleMs: limits.bodyIdleMs,
    ...(deferrer === undefined ? {} : { defer: (call, decline) => deferrer.take(call, decline) }),
  })
  const room = connectionRoom(openFilesLimit(), upstreamConnections(options))
  const connections = Math.min(limits.connections, room)
  if (connections < limits.connections) {
    log.warn({ connections, configured: limits.connections }, 'fewer connections than configured: ulimit -n')
  }
  const listener = createListener(
    { ...options, limits: { ...limits, connections } },
    lifecycle,
    respond,
    stats,
    { log, wall, clock },
  )

  function onDirective(directive: Directive): void {
    if (directive.do === 'announce') deps.onEvent?.(directive.event)
    else if (!guests.directive(directive)) enactor.directive(directive)
  }

  async function listen(): Promise<{ host: string; port: number }> {
    const bound = await listener.listen()
    ownAuthorities.add(`localhost:${bound.port}`)
    ownAuthorities.add(`${bound.host.includes(':') ? `[${bound.host}]` : bound.host}:${bound.port}`)
    return bound
  }

  let draining: Promise<void> | undefined
  let isClosed = false

  async function drain(): Promise<void> {
    const endAt = clock() + options.drainMs
    log.info({ drainMs: options.drainMs, openCalls: calls.open }, 'draining')
    // Half of the delay for balancers to notice; in the other half busy connections get an answer that closes them. An
    // idle one that is closed without warning may carry the next request already.
    const half = options.drainDelayMs / 2
    await waitUntil(() => isClosed, Math.min(clock() + half, endAt))
    listener.lastAnswers()
    await waitUntil(() => isClosed, Math.min(clock() + half, endAt))
    const left = answerTime(options.drainMs)
    const answerBy = Math.max(clock(), endAt - left)
    core.drain(clock(), answerBy)
    enactor.drain(answerBy)
    tunnels.drain()
    const stopped = listener.stop()
    const isThrough = (): boolean =>
      isClosed || (calls.open === 0 && tunnels.size === 0 && stats.connections === 0)
    // An answer that is a little late is better than none: who was let go last is not given up on at once.
    await waitUntil(isThrough, Math.max(answerBy, endAt - left / 2))
    if (!isClosed) calls.forEach((call) => call.exchange?.goingAway())
    await waitUntil(isThrough, endAt)
    if (!isClosed) log.info({ openCalls: calls.open, connections: stats.connections }, 'drained')
    await close()
    await stopped
  }

  /** Polls: whatever ends a call need not know that somebody waits for it. */
  async function waitUntil(isTrue: () => boolean, deadline: Millis): Promise<void> {
    while (!isTrue()) {
      const leftMs = deadline - clock()
      if (leftMs <= 0) return
      await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_EVERY_MS, leftMs)))
    }
  }

  async function close(): Promise<void> {
    if (isClosed) return
    isClosed = true
    tunnels.destroy()
    await listener.destroy()
    await Promise.all(upstreams.map((upstream) => upstream.destroy()))
    sweep.stop()
    core.stop()
  }

  return {
    listen,
    get address() {
      return listener.address
    },
    get isDraining() {
      return draining !== undefined || isClosed
    },
    drain: () => (draining ??= drain()),
    close,
    guests,
    carry: inner.carry,
    adopt: (policy) => core.adopt(policy, clock()),
    look: () => core.look(),
    get certificates() {
      return listener.certificates
    },
    reloadCertificates: () => listener.reload(),
    get stats() {
      stats.upgrades = tunnels.size
      stats.held = enactor.held
      stats.heldBytes = enactor.heldBytes
      return stats
    },
  }
}

function answerTime(drainMs: Millis): Millis {
  return Math.min(ANSWER_MS.most, Math.max(ANSWER_MS.least, drainMs * ANSWER_MS.part))
}

function upstreamConnections({ upstreams }: ProxyOptions): number {
  return upstreams.reduce((sum, { connections }) => sum + connections, 0)
}

function limitsOf({ limits, upstreams }: ProxyOptions): Millis[] {
  const times = [limits.bodyIdleMs, limits.slowReaderMs, limits.upgradeIdleMs]
  return times.concat(upstreams.flatMap((upstream) => [upstream.firstByteTimeoutMs, upstream.idleTimeoutMs]))
}
