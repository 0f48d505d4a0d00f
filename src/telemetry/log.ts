/**
 * The log: JSON lines, one per event, never a header, a query or a payload. Fields of a call pass an allow-list whose
 * values are ids that Weir made or checked, numbers, and words of closed lists; a path appears only as its route
 * template.
 */
import { destination, pino } from 'pino'
import type { DestinationStream, Logger } from 'pino'
import type { Millis } from '../core/model.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Between two lines of one kind; a failing Redis or upstream must not fill a disk (promises row 77). */
const repeatMs: Millis = 10_000

/** The fields of an access line, and no others. */
export const ACCESS_FIELDS = [
  'call',
  'upstream',
  'agent',
  'workflow',
  'method',
  'route',
  'status',
  'outcome',
  'verdict',
  'reason',
  'attempt',
  'heldMs',
  'firstByteMs',
  'durationMs',
  'bytesIn',
  'bytesOut',
] as const
export type AccessFields = Partial<Record<(typeof ACCESS_FIELDS)[number], string | number>>

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  /** At most one line per kind in 10 s; the next one says how many were left out. `kind` is a word of ours. */
  limited(level: 'warn' | 'error', kind: string, fields: object, message: string): void
  /** One line per call, when the access log is on. */
  access(fields: AccessFields): void
  /** Writes what is buffered; for the last moment of the process. */
  flush(): void
}

export interface LogOptions {
  readonly level: LogLevel
  readonly access: boolean
  /** Monotonic. */
  readonly clock: () => Millis
  /** Where lines go; standard output, not waited for, unless given. */
  readonly sink?: DestinationStream
}

export function createLog(options: LogOptions): Log {
  const stream = options.sink ?? destination({ dest: 1, sync: false })
  const logger: Logger = pino(
    { level: options.level, base: null, formatters: { level: (label) => ({ level: label }) } },
    stream,
  )
  const kinds = new Map<string, { quietUntil: Millis; left: number }>()
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    limited(level, kind, fields, message) {
      const now = options.clock()
      const seen = kinds.get(kind)
      if (seen !== undefined && now < seen.quietUntil) {
        seen.left += 1
        return
      }
      const repeated = seen !== undefined && seen.left > 0 ? { repeated: seen.left } : {}
      kinds.set(kind, { quietUntil: now + repeatMs, left: 0 })
      logger[level]({ kind, ...fields, ...repeated }, message)
    },
    access(fields) {
      if (options.access) logger.info(allowed(fields), 'call')
    },
    flush() {
      if (!('flushSync' in stream) || typeof stream.flushSync !== 'function') return
      try {
        stream.flushSync()
      } catch {
        // A stream that never opened has nothing to write.
      }
    },
  }
}

function allowed(fields: AccessFields): AccessFields {
  const line: AccessFields = {}
  for (const name of ACCESS_FIELDS) if (fields[name] !== undefined) line[name] = fields[name]
  return line
}

/**
 * What may be said of an error that a call caused: its code and its name. Messages of libraries may quote what
 * they choked on, so they stay out.
 */
export function errorFields(error: unknown): { readonly error: string; readonly code?: string } {
  if (!(error instanceof Error)) return { error: typeof error }
  const code = 'code' in error && typeof error.code === 'string' ? { code: error.code } : {}
  return { error: error.name, ...code }
}
