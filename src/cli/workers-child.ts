/** One worker: the data path alone, on the port that all share; it reports to the primary and does what that says. */
import cluster from 'node:cluster'
import { join } from 'node:path'
import { createApp, type App } from '../app.ts'
import { IpcBoard, type Channel } from '../board/ipc-board.ts'
import type { Config } from '../config.ts'
import type { FromWorker } from './workers-messages.ts'
import { isToWorker } from './workers-messages.ts'

/** The primary's key of identity hashes: the same credential has to be the same agent in each worker. */
export const KEY_VARIABLE = 'WEIR_WORKER_KEY'
/** The primary's key of the journal's hashes: all workers write the same name, and the same route, as the same. */
export const JOURNAL_KEY_VARIABLE = 'WEIR_WORKER_JOURNAL_KEY'
/** Numbered from 1; a restarted worker has the number of the one before. */
export const NUMBER_VARIABLE = 'WEIR_WORKER'

/** A worker that is replaced lets its busy connections go first. */
const LEAST_DELAY_MS = 1000
/** How old what people see may be. */
const REPORT_MS = 500
/** The same of what the commons' store must be asked for: each worker asks. */
const REFRESH_MS = 5000

export async function runWorker(config: Config): Promise<void> {
  // A terminal signals every process of its group: the primary alone decides what that means.
  process.on('SIGTERM', ignore)
  process.on('SIGINT', ignore)
  process.on('SIGHUP', ignore)
  const board = config.board === undefined ? new IpcBoard(channelToPrimary()) : undefined
  const app = createApp(shareOf(config), {
    operator: 'none',
    ...(board === undefined ? {} : { board }),
    onEvent: (event) => tell({ weir: 'event', event, ageMs: performance.now() - event.at }),
    onNotice: (view) => tell({ weir: 'notice', view }),
  })
  const counting = setInterval(() => void app.refresh(), REFRESH_MS)
  counting.unref()
  const report = setInterval(() => tell({ weir: 'report', report: app.report() }), REPORT_MS)
  report.unref()
  const told = new Promise<void>((resolve) => {
    process.on('message', (message) => {
      if (!isToWorker(message)) return
      if (message.weir === 'stop') resolve()
      else app.setMode(message.id, message.mode, message.by)
    })
  })
  const { proxy } = await app.start()
  await app.refresh()
  tell({ weir: 'report', report: app.report() })
  tell({ weir: 'ready', ...proxy })
  await told
  await end(app)
}

function ignore(): void {}

async function end(app: App): Promise<void> {
  await app.stop()
  tell({ weir: 'report', report: app.report() })
  app.log.flush()
  cluster.worker?.disconnect()
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message)
}

function channelToPrimary(): Channel {
  return {
    get connected() {
      return process.connected
    },
    send: (message) => void process.send?.(message),
    onMessage: (listener) => void process.on('message', listener),
  }
}

/** What the config gives one process, divided: the machine is the same. */
function shareOf(config: Config): Config {
  const { workers, proxy, journal } = config
  const part = (whole: number): number => Math.max(1, Math.ceil(whole / workers))
  const key = process.env[KEY_VARIABLE]
  const journalKey = process.env[JOURNAL_KEY_VARIABLE]
  const number = process.env[NUMBER_VARIABLE] ?? '0'
  return {
    ...config,
    proxy: {
      ...proxy,
      identity: {
        ...proxy.identity,
        hashKey: key === undefined ? proxy.identity.hashKey : Buffer.from(key, 'hex'),
      },
      limits: {
        ...proxy.limits,
        connections: part(proxy.limits.connections),
        upgrades: part(proxy.limits.upgrades),
      },
      drainDelayMs: Math.max(proxy.drainDelayMs, LEAST_DELAY_MS),
      hold: { ...proxy.hold, totalBytes: Math.ceil(proxy.hold.totalBytes / workers) },
      upstreams: proxy.upstreams.map((upstream) => ({
        ...upstream,
        connections: part(upstream.connections),
        maxInFlight: part(upstream.maxInFlight),
      })),
    },
    journal:
      journal === undefined
        ? undefined
        : {
            ...journal,
            key: journalKey === undefined ? journal.key : Buffer.from(journalKey, 'hex'),
            dir: join(journal.dir, `worker-${number}`),
            maxTotalBytes: Math.ceil(journal.maxTotalBytes / workers),
          },
  }
}
