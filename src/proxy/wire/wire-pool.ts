/**
 * The connections to one upstream: the one that was used last is used first, so that the others may go cold; as many
 * as configured, and whoever finds none waits in order. What waits is bounded by `maxInFlight`, before a call comes
 * here.
 */
import type { Socket } from 'node:net'
import type { Dispatcher } from 'undici'
import type { UpstreamClient, UpstreamRequest } from '../upstream-client.ts'
import type { Connect, Reader } from './connect.ts'
import { WireCall } from './wire-call.ts'
import { WireConnection, type WireConnectionEvents } from './wire-connection.ts'
import { WireError } from './wire-error.ts'

/** What servers say of how long they keep a connection is shortened by this, for the time on the way (undici's too). */
const HINT_MARGIN_MS = 1000
/** As undici bounds it. */
const LONGEST_IDLE_MS = 600_000
/** How often idle connections are looked at; each is looked at anew before it is used. */
const LOOK_EVERY_MS = 500

export interface WirePoolOptions {
  /** Scheme, host and port; its path means nothing here. */
  readonly origin: URL
  /** Most connections at once, those that are being made included. */
  readonly connections: number
  /** Idle time of a connection whose server says none, in ms. */
  readonly keepAliveMs: number
  readonly connect: Connect
  /** Monotonic ms. */
  readonly clock: () => number
}

export class WirePool implements UpstreamClient, WireConnectionEvents {
  readonly #options: WirePoolOptions
  readonly #host: string
  readonly #open = new Set<WireConnection>()
  /** The newest last. */
  readonly #free: WireConnection[] = []
  readonly #waiting = new Set<WireCall>()
  /** Those that leave HTTP: each wants a connection of its own that is a stream. */
  readonly #upgrades = new Set<WireCall>()
  #connecting = 0
  /** Of those being made, the ones for whoever waits first. */
  #coming = 0
  #looking: NodeJS.Timeout | undefined
  #isDestroyed = false

  constructor(options: WirePoolOptions) {
    this.#options = options
    this.#host = options.origin.host
  }

  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): void {
    const call = new WireCall(request, handler)
    if (this.#isDestroyed) {
      handler.onResponseError?.(call, closed())
      return
    }
    if (request.isUpgrade) {
      this.#upgrades.add(call)
      if (this.#isFull) this.#free.shift()?.drop()
      else this.#connect()
      return
    }
    const connection = this.#takeFree()
    if (connection !== undefined) {
      this.#serve(connection, call)
      return
    }
    this.#waiting.add(call)
    this.#connect()
  }

  /** At once; what is in flight fails. */
  async destroy(): Promise<void> {
    this.#isDestroyed = true
    clearInterval(this.#looking)
    const waiting = [...this.#waiting, ...this.#upgrades]
    this.#waiting.clear()
    this.#upgrades.clear()
    for (const call of waiting) call.handler.onResponseError?.(call, closed())
    await Promise.all([...this.#open].map((connection) => connection.destroy()))
  }

  free(connection: WireConnection): void {
    if (this.#upgrades.size > 0 && this.#isFull) {
      connection.drop()
      return
    }
    const next = firstOf(this.#waiting)
    if (next !== undefined) {
      this.#serve(connection, next)
      return
    }
    const { keepAliveMs } = connection
    const idleMs =
      keepAliveMs === -1 ? this.#options.keepAliveMs : Math.min(keepAliveMs - HINT_MARGIN_MS, LONGEST_IDLE_MS)
    if (idleMs <= 0 || this.#isDestroyed) {
      connection.drop()
      return
    }
    connection.idleUntil = this.#options.clock() + idleMs
    this.#free.push(connection)
    this.#looking ??= setInterval(this.#look, LOOK_EVERY_MS).unref()
  }

  gone(connection: WireConnection): void {
    this.#open.delete(connection)
    const at = this.#free.lastIndexOf(connection)
    if (at !== -1) this.#free.splice(at, 1)
    this.#connect()
  }

  get #isFull(): boolean {
    return this.#open.size + this.#connecting >= this.#options.connections
  }

  #takeFree(): WireConnection | undefined {
    for (let last = this.#free.pop(); last !== undefined; last = this.#free.pop()) {
      if (last.idleUntil > this.#options.clock()) return last
      last.drop()
    }
    return undefined
  }

  /** A call may have been given up while it waited: the next one gets the connection then. */
  #serve(connection: WireConnection, first: WireCall): void {
    for (let call: WireCall | undefined = first; call !== undefined; call = firstOf(this.#waiting)) {
      call.handler.onRequestStart?.(call, undefined)
      if (call.aborted) continue
      connection.carry(call)
      return
    }
    this.free(connection)
  }

  /** As many as wait, and no more than may be. */
  #connect(): void {
    while (!this.#isDestroyed && !this.#isFull) {
      const upgrade = firstOf(this.#upgrades)
      if (upgrade === undefined && this.#coming >= this.#waiting.size) return
      const forAll = upgrade === undefined ? 1 : 0
      this.#connecting += 1
      this.#coming += forAll
      const reader: Reader | undefined = upgrade === undefined ? { read: undefined } : undefined
      const isLent = this.#options.connect(reader, (error, socket) => {
        this.#connecting -= 1
        this.#coming -= forAll
        if (error !== null || socket === null) this.#refused(upgrade, error)
        else this.#opened(socket, isLent ? reader : undefined, upgrade)
      })
    }
  }

  #opened(socket: Socket, reader: Reader | undefined, upgrade: WireCall | undefined): void {
    if (this.#isDestroyed) {
      socket.destroy()
      return
    }
    const connection = new WireConnection(socket, this.#host, reader, this)
    this.#open.add(connection)
    if (upgrade === undefined) this.free(connection)
    else this.#serve(connection, upgrade)
  }

  /** Each try was for one who waits: the one who has waited longest hears of it. */
  #refused(upgrade: WireCall | undefined, error: Error | null): void {
    const call = upgrade ?? firstOf(this.#waiting)
    call?.handler.onResponseError?.(call, error ?? closed())
    this.#connect()
  }

  readonly #look = (): void => {
    const now = this.#options.clock()
    for (const connection of this.#free.filter(({ idleUntil }) => idleUntil <= now)) connection.drop()
    if (this.#free.length > 0) return
    clearInterval(this.#looking)
    this.#looking = undefined
  }
}

/** Takes it out. */
function firstOf(calls: Set<WireCall>): WireCall | undefined {
  for (const call of calls) {
    calls.delete(call)
    return call
  }
  return undefined
}

function closed(): WireError {
  return new WireError('UND_ERR_DESTROYED', 'the client was closed')
}
