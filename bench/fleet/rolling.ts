/**
 * A rolling restart under load: three replicas, each replaced once a successor is ready. A balancer knows of them what
 * `/readyz` says and nothing else. One upstream answers at once; at another each replica may have few calls at a time, so
 * that calls are held at whoever is told to go: more than it can still send in the time that it has, so that some are
 * answered by the upstream and some with a slot.
 */
import { createSandbox } from '../../src/demo/sandbox.ts'
import { RedisServer } from '../../test/kit/redis-server.ts'
import { HeldClients, SlowUpstream, type ClientCall } from './held-clients.ts'
import { POLICY, Sidecar, sleep } from './sidecars.ts'
import { SteadyLoad } from './steady-load.ts'

const REPLICAS = 3
const SLOW_MS = 500
const AT_ONCE = 4
const CLIENTS = 96
/** Off loopback a delay of 5 s is the default; balancers here look ten times a second. */
const ENV = { WEIR_DRAIN: '3s', WEIR_DRAIN_DELAY: '1s' }
const LOOK_MS = 100
const LIMITED = `${POLICY}  - name: few-at-once
    mode: enforce
    match: { upstream: slow }
    then: { do: hold, hold: { max: 30s }, limits: [{ per: upstream, concurrency: ${AT_ONCE}, scope: replica }] }
`

interface Restart {
  /** Calls that were held when the signal came. */
  readonly held: readonly ClientCall[]
}

export async function rollingRestart(smoke: boolean): Promise<Record<string, unknown>> {
  const wanted = smoke ? 1000 : 100_000
  const least = smoke ? 1 : REPLICAS
  const server = await RedisServer.start()
  const sandbox = createSandbox({ behaviour: { serviceMs: 5 } })
  const slow = await SlowUpstream.start(SLOW_MS)
  const extra = [`--board=redis://127.0.0.1:${server.port}`, `--upstream=slow=${slow.url}`]
  const upstream = await sandbox.listen()
  const begin = (): Promise<Sidecar> => Sidecar.start(upstream, extra, { policy: LIMITED, env: ENV })
  const fleet = await Promise.all(Array.from({ length: REPLICAS }, begin))
  let ready = [...fleet]
  const load = new SteadyLoad(() => ready.map((replica) => replica.base), 32, 1)
  const holding = new HeldClients(() => ready.map((replica) => replica.baseOf('slow')), CLIENTS)
  const restarts: Restart[] = []
  const stopLoad = (): Promise<unknown> => Promise.all([load.stop(), holding.stop()])
  try {
    for (let turn = 0; load.calls < wanted || turn < least; turn++) {
      // The crowd spreads over all that are there, and each has calls that wait.
      await sleep(2000)
      const old = fleet[turn % REPLICAS]!
      fleet[turn % REPLICAS] = await begin()
      ready = [...fleet, old]
      const held = holding.waitingAt(old.baseOf('slow')).filter(({ id }) => !slow.seen.has(id))
      const gone = old.stop()
      while (await old.ready()) await sleep(LOOK_MS)
      ready = [...fleet]
      await gone
      restarts.push({ held })
    }
    await stopLoad()
    return { rollingRestart: figuresOf(load, holding, restarts) }
  } finally {
    await stopLoad()
    await Promise.all(fleet.map((weir) => weir.stop()))
    await sandbox.close()
    slow.close()
    await server.close()
  }
}

function figuresOf(
  load: SteadyLoad,
  holding: HeldClients,
  restarts: readonly Restart[],
): Record<string, unknown> {
  const held = restarts.flatMap((restart) => restart.held)
  const ended = (first: ClientCall['first'], end: ClientCall['end']): number =>
    held.filter((call) => call.first === first && call.end === end).length
  const bySlot = ended('slot', 'answered')
  return {
    calls: load.calls + holding.calls,
    failedCalls: load.failed + holding.failed,
    restarts: restarts.length,
    heldAtRestart: held.length,
    heldAtEachRestart: restarts.map((restart) => restart.held.length),
    heldAnswered: ended('answered', 'answered') + bySlot,
    // Of these: told when to come back, and answered when they did.
    heldAnsweredBySlot: bySlot,
    failures: holding.failures,
    heldFailed: held.filter(({ end }) => end === 'failed').length,
  }
}
