/**
 * `weir run --workers N`: the primary. It starts the workers, which share one port (Node's cluster hands connections out
 * in turn), starts one again that died, is their board, and speaks for all of them to the operator. It carries no call.
 */
import cluster, { type Worker } from 'node:cluster'
import { serveBoard, type Channel } from '../board/ipc-board.ts'
import { MemoryBoard } from '../board/memory-board.ts'
import type { Config } from '../config.ts'
import type { Millis } from '../core/model.ts'
import type { Log } from '../telemetry/log.ts'
import { JOURNAL_KEY_VARIABLE, KEY_VARIABLE, NUMBER_VARIABLE } from './workers-child.ts'
import { isFromWorker, type ToWorker } from './workers-messages.ts'
import type { Arrived } from './workers-merge.ts'
import { createWorkersOperator } from './workers-operator.ts'

/** What `serve` in main.ts needs of an app. */
export interface Served {
  start(): Promise<unknown>
  stop(): Promise<void>
}

/** A worker that dies at once is started later and later; one that lived so long starts over. */
const RESTART_MIN_MS = 100
const RESTART_MAX_MS = 30_000
const LIVED_MS = 10_000
/** Past the drain's own end. */
const KILL_AFTER_MS = 5000
const READY_WITHIN_MS = 60_000

interface Seat {
  readonly number: number
  worker: Worker | undefined
  bornAt: Millis
  deaths: number
  timer: NodeJS.Timeout | undefined
}

function clock(): Millis {
  return performance.now()
}

export function createWorkers(config: Config, log: Log): Served {
  const board = new MemoryBoard(clock)
  const reports = new Map<number, Arrived>()
  const ready = new Map<number, () => void>()
  const seats: Seat[] = []
  let address = { ...config.proxy.listen }
  let stopping = false
  let failed: ((error: Error) => void) | undefined
  const operator = createWorkersOperator(config, {
    log,
    clock,
    reports: () => [...reports.values()],
    agents: () => address,
    isDraining: () => stopping,
    broadcast,
  })

  function broadcast(message: ToWorker): void {
    for (const { worker } of seats) if (worker?.isConnected() === true) worker.send(message)
  }

  function fork(seat: Seat): Worker {
    const key = config.proxy.identity.hashKey.toString('hex')
    const worker = cluster.fork({
      [KEY_VARIABLE]: key,
      [NUMBER_VARIABLE]: String(seat.number),
      ...(config.journal === undefined ? {} : { [JOURNAL_KEY_VARIABLE]: config.journal.key.toString('hex') }),
    })
    const { id } = worker
    serveBoard(channelOf(worker), board)
    worker.on('message', (message: unknown) => {
      if (!isFromWorker(message)) return
      if (message.weir === 'report') reports.set(id, { report: message.report, arrivedAt: clock() })
      else if (message.weir === 'event') operator.event(message.event, message.ageMs)
      else if (message.weir === 'notice') operator.notice(message.view)
      else {
        address = { host: message.host, port: message.port }
        ready.get(id)?.()
      }
    })
    worker.on('exit', (code, signal) => ended(seat, worker, code, signal))
    seat.worker = worker
    seat.bornAt = clock()
    return worker
  }

  function ended(seat: Seat, worker: Worker, code: number, signal: string | null): void {
    const last = reports.get(worker.id)
    reports.delete(worker.id)
    ready.delete(worker.id)
    operator.gone(last)
    failed?.(new Error(`worker ${seat.number} ended with ${signal ?? code} before it was ready`))
    if (stopping || seat.worker !== worker) return
    seat.worker = undefined
    seat.deaths = clock() - seat.bornAt >= LIVED_MS ? 0 : seat.deaths + 1
    const ms = Math.min(RESTART_MAX_MS, RESTART_MIN_MS * 2 ** seat.deaths)
    log.limited('error', 'worker', { worker: seat.number, code, signal, restartMs: ms }, 'a worker died')
    seat.timer = setTimeout(() => fork(seat), ms)
  }

  async function untilReady(worker: Worker): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve, reject) => {
      ready.set(worker.id, resolve)
      timer = setTimeout(() => reject(new Error('a worker did not become ready in time')), READY_WITHIN_MS)
    })
    clearTimeout(timer)
    ready.delete(worker.id)
  }

  /** Resolves when it is gone, in order or not. */
  async function retire(worker: Worker): Promise<void> {
    if (worker.isDead()) return
    const gone = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
    if (worker.isConnected()) worker.send({ weir: 'stop' } satisfies ToWorker)
    const limit = config.proxy.drainMs + KILL_AFTER_MS
    const timer = setTimeout(() => worker.process.kill('SIGKILL'), limit)
    await gone
    clearTimeout(timer)
  }

  let rolling = false
  /** One after the other: the next begins when the successor of the one before takes calls. */
  async function roll(): Promise<void> {
    if (rolling || stopping) return
    rolling = true
    log.info({ workers: seats.length }, 'workers are replaced one by one')
    for (const seat of seats) {
      const before = seat.worker
      if (stopping) break
      try {
        await untilReady(fork(seat))
        if (before !== undefined) await retire(before)
      } catch (error) {
        log.error({ worker: seat.number, reason: String(error) }, 'a worker was not replaced')
      }
    }
    rolling = false
    log.info({ workers: seats.length }, 'workers replaced')
  }

  async function start(): Promise<void> {
    cluster.setupPrimary({ serialization: 'advanced' })
    const listening = await operator.listen()
    const dead = new Promise<never>((_, reject) => (failed = reject))
    try {
      for (let number = 1; number <= config.workers; number++) {
        const seat: Seat = { number, worker: undefined, bornAt: 0, deaths: 0, timer: undefined }
        seats.push(seat)
        // One by one: a mistake that each would make is made once, and the first one binds the port.
        await Promise.race([untilReady(fork(seat)), dead])
      }
    } catch (error) {
      stopping = true
      for (const { worker } of seats) worker?.process.kill('SIGKILL')
      await operator.close()
      throw error
    } finally {
      failed = undefined
      dead.catch(() => {})
    }
    process.on('SIGHUP', () => void roll())
    operator.ready()
    log.info({ workers: config.workers, agents: shown(address), operator: shown(listening) }, 'ready')
  }

  async function stop(): Promise<void> {
    stopping = true
    for (const seat of seats) clearTimeout(seat.timer)
    const workers = Object.values(cluster.workers ?? {}).filter((worker) => worker !== undefined)
    await Promise.all(workers.map((worker) => retire(worker)))
    await operator.close()
    await board.close()
  }

  return { start, stop }
}

function channelOf(worker: Worker): Channel {
  return {
    get connected() {
      return worker.isConnected()
    },
    send: (message) => void worker.send(message),
    onMessage: (listener) => void worker.on('message', listener),
  }
}

function shown({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
