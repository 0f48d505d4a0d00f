/**
 * What one replica pays for the others, by their number: commands, bytes and the time to merge what it reads, and what each
 * exchange costs a real server. One replica is real in virtual time, with one upstream; the others are words that are
 * new each time that they are read, as real cores said them.
 */
import { CALLERS_WORDS } from '../../src/board/callers-format.ts'
import type { Exchange, Exchanged } from '../../src/board/board.ts'
import { CALLERS_TOPIC } from '../../src/board/link.ts'
import { MemoryBoard } from '../../src/board/memory-board.ts'
import { RedisBoard } from '../../src/board/redis-board.ts'
import { SUMMARY_WORDS } from '../../src/board/summary-format.ts'
import { createCoordinator, type Coordinator, type FleetCore } from '../../src/core/coordinator.ts'
import type { CallersSummary, UpstreamSummary } from '../../src/core/fleet.ts'
import { RedisServer } from '../../test/kit/redis-server.ts'
import { targetOf } from '../../test/board/redis-target.ts'
import { arrivalOf } from '../../test/kit/core-driver.ts'
import { policyOf } from '../../test/kit/policy.ts'
import { joinFleet } from '../../test/kit/sim/fleet.ts'
import { World } from '../../test/kit/sim/world.ts'
import { sleep } from './sidecars.ts'

export const REPLICAS = [10, 100, 300, 1000] as const

export interface BoardScale {
  /** Of one replica with one upstream and its callers. */
  readonly commandsPerSecond: number
  readonly bytesPerSecond: number
  /** Of one core of this machine, in percent: its words, and what it reads, merged. */
  readonly mergeCpuPercent: number
  /** One exchange, at a real server; and how much of its one core all replicas together need, in percent. */
  readonly serverMicros: number
  readonly serverCpuPercent: number
}

const SPEAKERS = 8
const LIMITED =
  'version: 1\nrules: [{ name: cap, mode: enforce, then: { limits: [{ per: agent, rate: 20/s }] } }]'

interface Spoken {
  readonly upstream: UpstreamSummary
  readonly callers: CallersSummary
}

export async function boardScale(smoke: boolean): Promise<Record<string, BoardScale>> {
  const spoken = Array.from({ length: SPEAKERS }, (_, index) => speak(index))
  const scales: Record<string, BoardScale> = {}
  for (const replicas of REPLICAS) {
    const { exchanges, bytes, cpuMs } = merged(spoken, replicas, smoke ? 5 : 30)
    const serverMicros = await atServer(spoken, replicas, smoke ? 50 : 400)
    scales[`replicas${replicas}`] = {
      commandsPerSecond: exchanges,
      bytesPerSecond: bytes,
      mergeCpuPercent: cpuMs / 10,
      serverMicros,
      serverCpuPercent: (exchanges * replicas * serverMicros) / 10_000,
    }
  }
  return scales
}

/** What a sidecar says on an ordinary day: three agents in a few workflows, some retries, a limit that is in sight. */
function speak(index: number): Spoken {
  const core = coreOf(index)
  core.callers(0)
  core.learnCallers({
    at: 1,
    replica: 'm',
    linked: true,
    peers: [{ replica: 'a', arrivedAt: 1, summary: { workflows: [], demands: [], round: 0 } }],
    steward: '',
  })
  for (let at = 10; at < 60_000; at += 100) call(core, index, at)
  return { upstream: core.summary(0, 60_000), callers: core.callers(60_000) }
}

function coreOf(seed: number): Coordinator & FleetCore {
  return createCoordinator({ policy: policyOf(LIMITED, ['api']), upstreams: ['api'], seed })
}

let serial = 0
function call(core: Coordinator, index: number, at: number): void {
  serial += 1
  const agent = `agent-${index}-${serial % 3}`
  const workflow = `run-${index}-${Math.floor(serial / 60)}`
  const attempt = serial % 25 === 0 ? 2 : 1
  core.arrive(arrivalOf({ at, agent, workflow, attempt, fingerprint: serial, bytes: 1000 + serial }))
  core.settle({ call: 0, at, kind: 'success', status: 200, answered: true, bytesIn: 900, bytesOut: 90 })
  core.tick(at)
}

function nameOf(replica: number): string {
  return `agents-7f9c6d5b8-${replica.toString(36).padStart(5, '0')}-1-a1b2c3d4`
}

/** A board on which so many others have each said something new since it was last asked. */
class FilledBoard extends MemoryBoard {
  readonly #spoken: readonly Spoken[]
  readonly #others: number
  #sequence = 0

  constructor(clock: () => number, spoken: readonly Spoken[], replicas: number) {
    super(clock)
    this.#spoken = spoken
    this.#others = replicas - 1
  }

  override swap(exchange: Exchange): Exchanged {
    this.#sequence += 1
    const own = super.swap(exchange)
    const words = Array.from({ length: this.#others }, (_, other) => {
      const { upstream, callers } = this.#spoken[other % this.#spoken.length]!
      const word =
        exchange.topic === CALLERS_TOPIC
          ? CALLERS_WORDS.write(callers, this.#sequence)
          : SUMMARY_WORDS.write(upstream, this.#sequence)
      this.traffic.bytes += word.byteLength
      return { replica: nameOf(other + 1), word }
    })
    return { ...own, words }
  }
}

function merged(
  spoken: readonly Spoken[],
  replicas: number,
  seconds: number,
): { exchanges: number; bytes: number; cpuMs: number } {
  const world = new World()
  const core = coreOf(99)
  const board = new FilledBoard(() => world.now, spoken, replicas)
  const count = { exchanges: 0, mergeMs: 0 }
  joinFleet(world, board, {}, { core, upstreams: 1, index: 0, seed: 1, count }, () => {})
  const calls = (): void => {
    call(core, 99, world.now)
    world.after(100, calls)
  }
  world.at(0, calls)
  world.run(5000)
  const before = { ...count, bytes: board.traffic.bytes }
  world.run(5000 + seconds * 1000)
  return {
    exchanges: (count.exchanges - before.exchanges) / seconds,
    bytes: (board.traffic.bytes - before.bytes) / seconds,
    cpuMs: (count.mergeMs - before.mergeMs) / seconds,
  }
}

async function atServer(spoken: readonly Spoken[], replicas: number, exchanges: number): Promise<number> {
  const server = await RedisServer.start()
  const board = new RedisBoard(targetOf(server.port))
  try {
    const ask = async (replica: number, sequence: number): Promise<boolean> => {
      const word = SUMMARY_WORDS.write(spoken[replica % spoken.length]!.upstream, sequence)
      const exchange = { topic: 'api', replica: nameOf(replica), word, claim: false, epoch: 0 }
      return board.exchange(exchange).then(
        () => true,
        () => false,
      )
    }
    // Until it is connected.
    for (let tries = 0; tries < 200 && !(await ask(0, 0)); tries++) await sleep(20)
    for (let replica = 0; replica < replicas; replica++) await ask(replica, 1)
    await server.command('CONFIG', 'RESETSTAT')
    for (let turn = 0; turn < exchanges; turn++) await ask(turn % replicas, 2)
    const stats = await server.command('INFO', 'commandstats')
    return Number(/cmdstat_evalsha:.*?usec_per_call=([\d.]+)/.exec(stats)?.[1])
  } finally {
    await board.close()
    await server.close()
  }
}
