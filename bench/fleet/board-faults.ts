/**
 * What a board that fails costs the calls, which never wait for it. Three arms of three replicas each: one with a board on
 * Redis, and two alike without any. They take turns under the same load, in another order each round, so that what the
 * machine does befalls all; during its turn, and in it, the arm with the board lives through the fault, its beginning and
 * its end. A round compares p99 of its turns: `p99Ratio` is the median of the rounds, the board over the first arm without;
 * `noise` is by what factor the same median came out for the second arm without, at most: nothing below it means anything.
 */
import { readFileSync } from 'node:fs'
import { createSandbox } from '../../src/demo/sandbox.ts'
import { RedisServer } from '../../test/kit/redis-server.ts'
import { quantile } from '../../test/kit/sim/score.ts'
import { Sidecar, sleep, type Told } from './sidecars.ts'
import { SteadyLoad } from './steady-load.ts'

const REPLICAS = 3
const CLIENTS = 24
const GAP_MS = 20
const ROUNDS = 5
const TURN_MS = 5000
/** Of a turn, what the fault lasts; the rest shows the way back. */
const FAULTY = 0.7

type Act = (server: RedisServer) => unknown

interface Fault {
  readonly begins: Act
  readonly ends: Act
}

const CALM: Fault = { begins: () => {}, ends: () => {} }
const FAULTS: Readonly<Record<string, Fault>> = {
  frozen: { begins: (server) => server.freeze(), ends: (server) => server.thaw() },
  gone: { begins: (server) => server.kill(), ends: (server) => server.run() },
  full: {
    begins: (server) => server.command('CONFIG', 'SET', 'maxmemory', '1'),
    ends: (server) => server.command('CONFIG', 'SET', 'maxmemory', '0'),
  },
  readOnly: {
    begins: (server) => server.command('REPLICAOF', '127.0.0.1', '1'),
    ends: (server) => server.command('REPLICAOF', 'NO', 'ONE'),
  },
}
const FLAP_MS = 2000

class Arm {
  readonly #weirs: readonly Sidecar[]
  readonly load: SteadyLoad
  #isOn = false
  #rssBefore: readonly number[] = []

  private constructor(weirs: readonly Sidecar[]) {
    this.#weirs = weirs
    const bases = weirs.map(({ base }) => base)
    this.load = new SteadyLoad(() => (this.#isOn ? bases : []), CLIENTS, GAP_MS)
  }

  static async start(upstream: string, extra: readonly string[]): Promise<Arm> {
    const starting = Array.from({ length: REPLICAS }, () => Sidecar.start(upstream, extra))
    return new Arm(await Promise.all(starting))
  }

  /** p99 in ms of what is called while `act` goes on. */
  async turn(act: () => Promise<void>): Promise<number> {
    this.load.taken()
    this.#isOn = true
    await act()
    this.#isOn = false
    return quantile(this.load.taken(), 0.99)
  }

  /** What each process has now is what it grows from. */
  weigh(): void {
    this.#rssBefore = this.#weirs.map(({ pid }) => rssOf(pid))
  }

  get growthMiB(): number {
    return Math.max(...this.#weirs.map(({ pid }, index) => rssOf(pid) - this.#rssBefore[index]!)) / 2 ** 20
  }

  /** Of the replica that has most: lines that warn, in the ten seconds that have the most of them. */
  get warnLinesPer10s(): number {
    return Math.max(...this.#weirs.map(({ told }) => mostWarningsIn10s(told)))
  }

  async stop(): Promise<void> {
    await this.load.stop()
    await Promise.all(this.#weirs.map((weir) => weir.stop()))
  }
}

interface Arms {
  readonly board: Arm
  readonly without: Arm
  /** The same again. */
  readonly twin: Arm
}

/** Medians of the rounds. */
interface Compared {
  readonly p99: number
  readonly p99Without: number
  readonly p99Ratio: number
  readonly twinRatio: number
}

export async function boardFaults(smoke: boolean): Promise<Record<string, unknown>> {
  const rounds = smoke ? 1 : ROUNDS
  const turnMs = smoke ? 600 : TURN_MS
  const server = await RedisServer.start('--maxmemory-policy', 'noeviction')
  const sandbox = createSandbox({ behaviour: { serviceMs: 20 } })
  const upstream = await sandbox.listen()
  const arms: Arms = {
    board: await Arm.start(upstream, [`--board=redis://127.0.0.1:${server.port}`]),
    without: await Arm.start(upstream, []),
    twin: await Arm.start(upstream, []),
  }
  const compared: Record<string, Compared> = {}
  const compareIn = (fault: Fault): Promise<Compared> => compare(arms, server, fault, rounds, turnMs)
  try {
    await compare(arms, server, CALM, 1, turnMs)
    for (const arm of Object.values(arms)) arm.weigh()
    compared['well'] = await compareIn(CALM)
    for (const [name, fault] of Object.entries(FAULTS)) compared[name] = await compareIn(fault)
    compared['flapping'] = await whileFlapping(server, smoke ? 300 : FLAP_MS, () => compareIn(CALM))
    const { board, twin } = arms
    return { redisFaults: { ...figuresOf(compared), ...countsOf(board, twin) } }
  } finally {
    await Promise.all(Object.values(arms).map((arm) => arm.stop()))
    await sandbox.close()
    await server.close()
  }
}

async function compare(
  { board, without, twin }: Arms,
  server: RedisServer,
  fault: Fault,
  rounds: number,
  turnMs: number,
): Promise<Compared> {
  const arms = [board, without, twin]
  const p99s: number[][] = arms.map(() => [])
  const faulty = async (): Promise<void> => {
    await fault.begins(server)
    await sleep(turnMs * FAULTY)
    await fault.ends(server)
    await sleep(turnMs * (1 - FAULTY))
  }
  for (let round = 0; round < rounds; round++) {
    for (let step = 0; step < arms.length; step++) {
      const turn = (round + step) % arms.length
      const arm = arms[turn]!
      p99s[turn]!.push(await arm.turn(arm === board ? faulty : () => sleep(turnMs)))
    }
  }
  const [ofBoard, ofWithout, ofTwin] = p99s as [number[], number[], number[]]
  const over = (those: readonly number[]): number =>
    quantile(
      those.map((p99, round) => p99 / ofWithout[round]!),
      0.5,
    )
  return {
    p99: quantile(ofBoard, 0.5),
    p99Without: quantile(ofWithout, 0.5),
    p99Ratio: over(ofBoard),
    twinRatio: over(ofTwin),
  }
}

/** The server is killed and begun again, over and over, whoever has the turn. */
async function whileFlapping<T>(server: RedisServer, everyMs: number, act: () => Promise<T>): Promise<T> {
  const state = { isOver: false }
  const flap = async (): Promise<void> => {
    while (!state.isOver) {
      await server.kill()
      await sleep(everyMs)
      await server.run()
      await sleep(everyMs)
    }
  }
  const flapping = flap()
  try {
    return await act()
  } finally {
    state.isOver = true
    await flapping
  }
}

function figuresOf(compared: Readonly<Record<string, Compared>>): Record<string, unknown> {
  const spreads = Object.values(compared).map(({ twinRatio }) => Math.max(twinRatio, 1 / twinRatio))
  return { ...compared, noise: Math.max(...spreads) }
}

function countsOf(board: Arm, twin: Arm): Record<string, number> {
  return {
    calls: board.load.calls,
    failedCalls: board.load.failed,
    warnLinesPer10s: board.warnLinesPer10s,
    rssGrowthMiB: board.growthMiB,
    rssGrowthMiBWithout: twin.growthMiB,
  }
}

function mostWarningsIn10s(told: readonly Told[]): number {
  const times = told.filter(({ level }) => level === 'warn' || level === 'error').map(({ at }) => at)
  return Math.max(0, ...times.map((from) => times.filter((at) => at >= from && at < from + 10_000).length))
}

function rssOf(pid: number): number {
  const pages = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1])
  return pages * 4096
}
