/**
 * The connections to one upstream: the one that was used last is used first, so that the others may go cold; as many
 * as configured, and whoever finds none waits in order. What waits is bounded by `maxInFlight`, before a call comes
 * here: a call that is given up leaves the line.
 *
 * A connection whose call has ended rests to the end of the turn of the loop, and for one more if somebody waits for it: what
 * an upstream sent behind an answer, or its end that it did not announce, must not meet the next call on the connection
 * (undici, GHSA-35p6-xmwp-9g52). What comes unasked on an idle one in the very turn in which it is taken can still, as with
 * nginx: to begin each call at the end of its turn takes a third more CPU (bench -- overhead).
 */
import type { Socket } from 'node:net'
import type { Dispatcher } from 'undici'
import type { UpstreamClient, UpstreamRequest } from '../upstream-client.ts'
import type { Connect, Connecting, Reader } from './connect.ts'
import { WireCall } from './wire-call.ts'
import { WireConnection, type WireConnectionEvents } from './wire-connection.ts'
import { errorOf, WireError } from './wire-error.ts'

/** What servers say of how long they keep a connection is shortened by this, for the time on the way: undici's. */
const HINT_MARGIN_MS = 2000
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
  /** Those whose call ended in this turn. */
  readonly #resting: WireConnection[] = []
  /** And in the one before, while calls waited. */
  #rested: WireConnection[] = []
  readonly #waiting = new Set<WireCall>()
  /** Those that leave HTTP: each wants a connection of its own that is a stream. */
  readonly #upgrades = new Set<WireCall>()
  readonly #connecting = new Set<Connecting>()
  /** Of those being made, the ones for whoever waits first. */
  #coming = 0
  #isTurnAsked = false
  #looking: NodeJS.Timeout | undefined
  #isDestroyed = false

  constructor(options: WirePoolOptions) {
    this.#options = options
    this.#host = options.origin.host
  }

  dispatch(request: UpstreamRequest, handler: Dispatcher.DispatchHandler): WireCall | undefined {
    try {
      const call = new WireCall(request, this.#host, handler)
      if (this.#isDestroyed) call.fail(closed())
      else if (request.isUpgrade) this.#wait(call, this.#upgrades)
      else this.#beginNow(call)
      return call
    } catch (error) {
      handler.onResponseError?.(NO_CONTROLLER, errorOf(error))
      return undefined
    }
  }

  /** At once; what is in flight fails. */
  async destroy(): Promise<void> {
    this.#isDestroyed = true
    clearInterval(this.#looking)
    for (const connecting of this.#connecting) connecting.cancel()
    this.#connecting.clear()
    for (const call of [...this.#waiting, ...this.#upgrades]) {
      call.line?.delete(call)
      call.fail(closed())
    }
    await Promise.all([...this.#open].map((connection) => connection.destroy()))
  }

  ended(connection: WireConnection): void {
    this.#resting.push(connection)
    this.#askTurn()
  }

  gone(connection: WireConnection): void {
    this.#open.delete(connection)
    for (const list of [this.#free, this.#resting, this.#rested]) {
      const at = list.lastIndexOf(connection)
      if (at !== -1) list.splice(at, 1)
    }
    this.#connect()
  }

  get #isFull(): boolean {
    return this.#open.size + this.#connecting.size >= this.#options.connections
  }

  #wait(call: WireCall, line: Set<WireCall>): void {
    line.add(call)
    call.line = line
    this.#askTurn()
  }

  #beginNow(call: WireCall): void {
    // Nobody overtakes those who wait.
    const connection = this.#waiting.size === 0 ? this.#takeFree() : undefined
    if (connection === undefined) {
      this.#wait(call, this.#waiting)
      return
    }
    if (begin(call)) connection.carry(call)
    else this.#keep(connection)
  }

  #askTurn(): void {
    if (this.#isTurnAsked) return
    this.#isTurnAsked = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isTurnAsked = false
    if (this.#isDestroyed) return
    for (const connection of this.#rested.splice(0)) this.#keep(connection)
    const ended = this.#resting.splice(0)
    if (this.#waiting.size > 0 && ended.length > 0) {
      this.#rested = ended
      this.#askTurn()
    } else for (const connection of ended) this.#keep(connection)
    // What is dropped makes room for a connection of their own.
    while (this.#upgrades.size > 0 && this.#isFull && this.#free.length > 0) this.#free.shift()?.drop()
    while (this.#waiting.size > 0) {
      const connection = this.#takeFree()
      if (connection === undefined) break
      this.#serve(connection)
    }
    this.#connect()
  }

  #keep(connection: WireConnection): void {
    const { keepAliveMs } = connection
    const idleMs =
      keepAliveMs === -1 ? this.#options.keepAliveMs : Math.min(keepAliveMs - HINT_MARGIN_MS, LONGEST_IDLE_MS)
    connection.idleUntil = this.#options.clock() + idleMs
    this.#free.push(connection)
    this.#looking ??= setInterval(this.#look, LOOK_EVERY_MS).unref()
  }

  #takeFree(): WireConnection | undefined {
    for (let last = this.#free.pop(); last !== undefined; last = this.#free.pop()) {
      if (last.idleUntil > this.#options.clock()) return last
      last.drop()
    }
    return undefined
  }

  /** Whoever waits first has it; who gives up at the last moment is passed over. */
  #serve(connection: WireConnection): void {
    for (const call of this.#waiting) {
      if (begin(call)) {
        connection.carry(call)
        return
      }
    }
    this.#keep(connection)
  }

  /** As many as wait, and no more than may be. */
  #connect(): void {
    while (!this.#isDestroyed && !this.#isFull) {
      const [upgrade] = this.#upgrades
      if (upgrade === undefined && this.#coming >= this.#waiting.size) return
      if (upgrade !== undefined) leave(upgrade)
      this.#connectFor(upgrade)
    }
  }

  /** @param upgrade undefined = for whoever waits first when it stands */
  #connectFor(upgrade: WireCall | undefined): void {
    const forAll = upgrade === undefined ? 1 : 0
    const reader: Reader | undefined = upgrade === undefined ? { read: undefined } : undefined
    this.#coming += forAll
    const connecting = this.#options.connect(reader, (error, socket) => {
      this.#connecting.delete(connecting)
      this.#coming -= forAll
      if (error !== null || socket === null) this.#refused(upgrade, error)
      else this.#opened(socket, connecting.isLent ? reader : undefined, upgrade)
    })
    this.#connecting.add(connecting)
  }

  #opened(socket: Socket, reader: Reader | undefined, upgrade: WireCall | undefined): void {
    if (this.#isDestroyed) {
      socket.destroy()
      return
    }
    const connection = new WireConnection(socket, reader, this)
    this.#open.add(connection)
    if (upgrade === undefined) this.#serve(connection)
    else if (begin(upgrade)) connection.carry(upgrade)
    else connection.drop()
  }

  /** Each try was for one who waits: the one who has waited longest hears of it. */
  #refused(upgrade: WireCall | undefined, error: Error | null): void {
    const [call] = upgrade === undefined ? this.#waiting : [upgrade]
    if (call !== undefined) {
      leave(call)
      call.fail(error ?? closed())
    }
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

/** Out of its line, and told that it begins; false = it was given up. */
function begin(call: WireCall): boolean {
  leave(call)
  try {
    if (!call.aborted) call.handler.onRequestStart?.(call, undefined)
  } catch (error) {
    call.fail(errorOf(error))
  }
  return !call.aborted
}

function leave(call: WireCall): void {
  call.line?.delete(call)
  call.line = undefined
}

function closed(): WireError {
  return new WireError('UND_ERR_DESTROYED', 'the client was closed')
}

/** Of a request that never was one. */
const NO_CONTROLLER: Dispatcher.DispatchController = {
  aborted: true,
  paused: false,
  reason: null,
  abort: () => {},
  pause: () => {},
  resume: () => {},
}
