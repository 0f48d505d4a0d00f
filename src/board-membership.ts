/** Joins this process to the board that the config names, if any: log lines, readings and the order of start and stop. */
import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import type { Board } from './board/board.ts'
import { BoardLink, type BoardReading, type LinkedCallers, type LinkedCore } from './board/link.ts'
import { RedisBoard, type RedisTarget } from './board/redis-board.ts'
import type { Millis } from './core/model.ts'
import type { Log } from './telemetry/log.ts'

export interface MembershipDeps {
  /** A board of somebody else's, such as the primary's; it stays open. Undefined = the one in the config. */
  readonly board: Board | undefined
  readonly core: LinkedCore & LinkedCallers
  readonly upstreams: readonly string[]
  readonly clock: () => Millis
  readonly seed: number
  readonly log: Log
  readonly onLearnt: () => void
}

export interface BoardMembership {
  /** Undefined = there is no board. */
  read(): BoardReading | undefined
  start(): void
  stop(): Promise<void>
}

/** Leaving may wait for a board that hangs; the end of the process may not. */
const LEAVE_MS = 500

export function joinBoard(target: RedisTarget | undefined, deps: MembershipDeps): BoardMembership {
  const { log } = deps
  const trouble = (fault: string, message: string): void =>
    log.limited(
      'warn',
      'board',
      { fault, reason: message },
      'the board does not answer: going on with what is known',
    )
  const own =
    deps.board !== undefined || target === undefined
      ? undefined
      : new RedisBoard(target, (error) => trouble('connection', error.message))
  const board = deps.board ?? own
  if (board === undefined) return { read: () => undefined, start: () => {}, stop: async () => {} }
  const link = new BoardLink({
    board,
    core: deps.core,
    callers: deps.core,
    // The primary's board is in this machine's memory.
    secret: own === undefined ? undefined : target?.secret,
    upstreams: deps.upstreams,
    replica: replicaName(),
    clock: deps.clock,
    seed: deps.seed,
    onLearnt: deps.onLearnt,
    onTrouble: trouble,
    onBack: (downMs) =>
      log.limited('warn', 'board', { downMs: Math.round(downMs) }, 'the board answers again'),
  })
  return {
    read: () => link.read(),
    start: () => link.start(),
    async stop() {
      let timer: NodeJS.Timeout | undefined
      const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, LEAVE_MS)))
      await Promise.race([link.stop(), patience])
      clearTimeout(timer)
      await own?.close()
    },
  }
}

/** Another one after each start: what a former process said is not taken for its successor's. */
function replicaName(): string {
  const host = hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, 40)
  return `${host}-${process.pid}-${randomBytes(4).toString('hex')}`
}

/** For the operator's API; ages in ms, null = never. */
export function boardView(reading: BoardReading | undefined, names: readonly string[]): object | undefined {
  if (reading === undefined) return undefined
  return {
    ...reading,
    ageMs: wholeMs(reading.ageMs),
    topics: reading.topics.map((topic, index) => ({
      upstream: names[index] ?? '',
      ...topic,
      ageMs: wholeMs(topic.ageMs),
    })),
  }
}

function wholeMs(ms: Millis): number | null {
  return Number.isFinite(ms) ? Math.round(ms) : null
}
