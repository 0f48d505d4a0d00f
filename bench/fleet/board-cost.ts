/**
 * Ten replicas with twenty upstreams each, all of them restless, on one real Redis: what the board costs, their callers
 * included, whose agents come close enough to a limit of the operator that it is divided.
 */
import { BoardLink, type LinkedCore } from '../../src/board/link.ts'
import { RedisBoard } from '../../src/board/redis-board.ts'
import { createCoordinator, type FleetCore } from '../../src/core/coordinator.ts'
import { policyOf } from '../../test/kit/policy.ts'
import type { RedisServer } from '../../test/kit/redis-server.ts'
import { targetOf } from '../../test/board/redis-target.ts'
import { arrivalOf } from '../../test/kit/core-driver.ts'
import { sleep } from './sidecars.ts'

const REPLICAS = 10
const UPSTREAMS = 20
const LIMITED =
  'version: 1\nrules: [{ name: cap, mode: enforce, then: { limits: [{ per: agent, rate: 200/s }] } }]'

export async function boardCost(server: RedisServer, forMs: number): Promise<Record<string, number>> {
  const names = Array.from({ length: UPSTREAMS }, (_, index) => `upstream-${index}`)
  const policy = policyOf(LIMITED, names)
  const joined = Array.from({ length: REPLICAS }, (_, index) => {
    const core = createCoordinator({ policy, upstreams: names, seed: index })
    const board = new RedisBoard(targetOf(server.port, { prefix: 'cost' }))
    const link = new BoardLink({
      board,
      core: restless(core),
      callers: core,
      upstreams: names,
      replica: `replica-${index}`,
      clock: () => performance.now(),
      seed: index,
      onLearnt: () => {},
      onTrouble: () => {},
      onBack: () => {},
    })
    link.start()
    return { core, board, link }
  })
  const traffic = setInterval(() => joined.forEach(({ core }, index) => call(core, index)), 100)
  await sleep(2000)
  const before = await counted(server)
  await sleep(forMs)
  const after = await counted(server)
  clearInterval(traffic)
  await Promise.all(joined.map(({ link }) => link.stop()))
  await Promise.all(joined.map(({ board }) => board.close()))
  return {
    boardCommandsPerSecond: ((after.commands - before.commands) * 1000) / forMs,
    boardBytesPerSecond: ((after.bytes - before.bytes) * 1000) / forMs,
  }
}

/** Something to tell at every upstream: retries here and there, on an ordinary day. */
function restless(core: FleetCore): LinkedCore {
  return {
    summary: (upstream, now) => core.summary(upstream, now),
    learn: (view) => core.learn(view),
    outlook: (upstream) => ({ ...core.outlook(upstream), restlessness: 'restless' }),
  }
}

let serial = 0
function call(core: ReturnType<typeof createCoordinator>, index: number): void {
  const at = performance.now()
  for (let upstream = 0; upstream < UPSTREAMS; upstream++) {
    serial += 1
    const agent = `agent-${(serial % 30) + index}`
    const attempt = serial % 50 === 0 ? 2 : 1
    core.arrive(arrivalOf({ at, call: 0, upstream, agent, attempt, fingerprint: serial }))
    core.settle({ call: 0, at, kind: 'success', status: 200, answered: true, bytesIn: 1, bytesOut: 1 })
  }
  core.tick(at)
}

/** As the server counts: commands that clients sent, and bytes both ways. */
async function counted(server: RedisServer): Promise<{ commands: number; bytes: number }> {
  const stats = await server.command('INFO', 'all')
  const figure = (name: string): number => Number(new RegExp(`${name}:(\\d+)`).exec(stats)?.[1] ?? 0)
  const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0)
  return { commands: calls, bytes: figure('total_net_input_bytes') + figure('total_net_output_bytes') }
}
