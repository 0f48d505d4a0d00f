/** Agents and workflows without number, each seen once: what Weir keeps of them, and what it costs the others. */
import { connect } from 'node:net'
import { seeded, type Random } from '../../src/core/random.ts'
import { HEAD_BOUND_MS, WeirWorld } from '../../test/kit/faults/weir-world.ts'

const CONNECTIONS = 16
/** Requests on the wire of one connection. */
const PIPELINE = 16
/** `HTTP/1.1 200` */
const STATUS_CHARS = 12
const PROBES = 400
const ROUNDS = 5

/** @param ids random agents, and as many random workflows */
export async function manyIds(ids: number): Promise<Record<string, number>> {
  const world = await WeirWorld.start({ weather: { serviceMs: 0 }, policy: 'version: 1\nrules: []\n' })
  try {
    const random = seeded(9)
    // The code is compiled, and the tables are there, before anything is compared.
    await flood(world, 5000, random)
    const before = await quantiles(world)
    const [residentBefore, seriesBefore] = [world.residentBytes, (await world.metrics()).size]
    const from = performance.now()
    const flooded = await flood(world, ids, random)
    const tookMs = performance.now() - from
    const after = await quantiles(world)
    const metrics = await world.metrics()
    const { answered, refused, lost, slowestMs } = flooded
    return {
      sent: answered + refused + lost,
      answered,
      wronglyAnswered: refused,
      lost,
      overBoundMs: Math.max(0, Math.round(slowestMs - HEAD_BOUND_MS)),
      ids,
      callsPerSecond: Math.round((1000 * ids) / tookMs),
      residentMiBBefore: mib(residentBefore),
      residentMiBAfter: mib(world.residentBytes),
      agentsKnown: metrics.sum('weir_agents_known'),
      workflowsKnown: metrics.sum('weir_workflows_known'),
      seriesBefore,
      seriesAfter: metrics.size,
      p99MsBefore: rounded(before),
      p99MsAfter: rounded(after),
      p99Ratio: rounded(after / before),
    }
  } finally {
    await world.close()
  }
}

/** The median over some rounds of the p99 of calls one after the other: less of the machine's own noise. */
async function quantiles(world: WeirWorld): Promise<number> {
  const rounds: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const waits: number[] = []
    await pipelined(
      world,
      PROBES,
      1,
      () => 'probe.flow',
      (ms) => waits.push(ms),
    )
    rounds.push(waits.toSorted((a, b) => a - b)[Math.floor(0.99 * waits.length)]!)
  }
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1]!
}

interface Counts {
  readonly answered: number
  /** Answers other than 200. */
  readonly refused: number
  readonly lost: number
  /** Between two answers of one connection that has asked. */
  readonly slowestMs: number
}

async function flood(world: WeirWorld, ids: number, random: Random): Promise<Counts> {
  const name = (): string => `${word(random)}.${word(random)}`
  const each = Math.ceil(ids / CONNECTIONS)
  const all = await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => pipelined(world, each, PIPELINE, name)),
  )
  const sum = (of: 'answered' | 'refused' | 'lost'): number => all.reduce((total, one) => total + one[of], 0)
  return {
    answered: sum('answered'),
    refused: sum('refused'),
    lost: sum('lost'),
    slowestMs: Math.max(...all.map(({ slowestMs }) => slowestMs)),
  }
}

function word(random: Random): string {
  return Math.floor(random() * 2 ** 52).toString(36)
}

/** `count` calls over one connection, `deep` of them on the way at a time. */
async function pipelined(
  world: WeirWorld,
  count: number,
  deep: number,
  name: () => string,
  onAnswer: (ms: number) => void = () => {},
): Promise<Counts> {
  const { port } = new URL(world.agents)
  const socket = connect(Number(port), '127.0.0.1')
  socket.setNoDelay(true)
  let [sent, answered, refused, slowestMs] = [0, 0, 0, 0]
  let [sentAt, tail] = [0, '']
  const send = (): void => {
    let text = ''
    while (sent < count && sent - answered < deep) {
      sent += 1
      text += `GET /@${name()}/up0/bytes?bytes=20 HTTP/1.1\r\nHost: weir.local\r\nX-Call-Id: i\r\n\r\n`
    }
    sentAt = performance.now()
    if (text !== '') socket.write(text)
  }
  await new Promise<void>((resolve, reject) => {
    socket.on('connect', send)
    socket.on('error', reject)
    socket.on('close', () => resolve())
    socket.on('data', (chunk: Buffer) => {
      const text = tail + chunk.toString('latin1')
      // A status line may come in two pieces.
      tail = text.slice(1 - STATUS_CHARS)
      const statuses = text.match(/HTTP\/1\.1 \d\d\d/g) ?? []
      const answers = statuses.length
      answered += answers
      refused += statuses.filter((status) => !status.endsWith('200')).length
      slowestMs = Math.max(slowestMs, performance.now() - sentAt)
      if (answers > 0) onAnswer(performance.now() - sentAt)
      if (answered === count) socket.destroy()
      else if (answers > 0) send()
    })
  })
  return { answered: answered - refused, refused, lost: count - answered, slowestMs }
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}

function rounded(value: number): number {
  return Math.round(100 * value) / 100
}
