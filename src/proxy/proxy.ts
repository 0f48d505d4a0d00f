/** The room's face: joins the stages, starts and ends them. */
import { randomBytes } from 'node:crypto'
import type { Coordinator } from '../core/coordinator.ts'
import type { CoreEvent, Directive, Millis, Outcome } from '../core/model.ts'
import type { Policy } from '../core/policy.ts'
import type { Carry } from '../defer/runner.ts'
import type { Call } from './call.ts'
import { CallTable } from './call-table.ts'
import { driveCore } from './core-driver.ts'
import { createCallDeferrer, type CallDeferrer, type DeferralDesk } from './defer-call.ts'
import { createEnactor, type Enactor } from './enact.ts'
import { createForwarder } from './forward.ts'
import { createIdentifier } from './identify.ts'
import { IdleSweep, sweepInterval } from './idle-sweep.ts'
import { createInnerCalls, createRunGate } from './inner-calls.ts'
import { createLifecycle, type OwnHandler } from './lifecycle.ts'
import { strippedNames } from './known-headers.ts'
import { createListener } from './listener.ts'
import type { ProxyOptions } from './options.ts'
import type { ProxyLog } from './proxy-log.ts'
import { createProxyStats, type ProxyStats } from './proxy-stats.ts'
import { createResponder } from './respond.ts'
import { createRouter } from './route.ts'
import { Tunnels } from './upgrade.ts'
import { createUpstreams } from './upstreams.ts'

/** How often a drain looks whether all calls have ended. */
const LOOK_EVERY_MS: Millis = 20
/** What is left of the drain time when held calls must have their answers: time to write them. */
const ANSWER_MS: Millis = 250

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
  /** Runs deferred calls through this proxy. */
  readonly carry: Carry
  /** Live; read it on a scrape. */
  readonly stats: Readonly<ProxyStats>
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
  /** Serves `/weir/...`; without it all of that is 404. */
  readonly own?: OwnHandler
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

  const inner = createInnerCalls((socket) => listener.inject(socket), wall)
  const lifecycle = createLifecycle({
    core,
    clock,
    deferrer: () => deferrer,
    runOf: (socket) => inner.runOf(socket),
    route: createRouter(upstreams, { urlBytes: limits.urlBytes }, ownAuthorities),
    identify: createIdentifier({ ...options.identity, wallClock: wall }),
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
    stripped: strippedNames(options.identity.agentHeader),
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
  const listener = createListener(options, lifecycle, respond, stats)

  function onDirective(directive: Directive): void {
    if (directive.do === 'announce') deps.onEvent?.(directive.event)
    else enactor.directive(directive)
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
    const answerBy = Math.max(clock(), endAt - ANSWER_MS)
    core.drain(clock(), answerBy)
    enactor.drain(answerBy)
    tunnels.drain()
    const stopped = listener.stop()
    await waitUntil(
      () => isClosed || (calls.open === 0 && tunnels.size === 0 && stats.connections === 0),
      endAt,
    )
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
    carry: inner.carry,
    adopt: (policy) => core.adopt(policy, clock()),
    look: () => core.look(),
    get stats() {
      stats.upgrades = tunnels.size
      stats.held = enactor.held
      stats.heldBytes = enactor.heldBytes
      return stats
    },
  }
}

function limitsOf({ limits, upstreams }: ProxyOptions): Millis[] {
  const times = [limits.bodyIdleMs, limits.slowReaderMs, limits.upgradeIdleMs]
  return times.concat(upstreams.flatMap((upstream) => [upstream.firstByteTimeoutMs, upstream.idleTimeoutMs]))
}
