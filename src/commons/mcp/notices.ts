/** What a call says before its answer, if its caller asked to hear it: how far it is, and what happens meanwhile. */
import type { Json, JsonObject } from '../json.ts'
import { isObject } from '../json.ts'
import { LOG_LEVELS, type Conversation, type LogLevel } from './conversation.ts'

/** Of one call; a wait of a minute says 60 of them. */
const MOST = 600
const LONGEST_TOKEN = 256

export interface NoticesOptions {
  /** Of the request. */
  readonly meta: JsonObject | undefined
  /** Absent = no log is wanted. */
  readonly level: LogLevel | undefined
  /** One message on the way of the answer, which may be lost when the client does not read. */
  readonly tell: (message: object) => void
}

export class Notices implements Pick<Conversation, 'hears' | 'progress' | 'log'> {
  readonly #token: Json | undefined
  readonly #level: LogLevel | undefined
  readonly #tell: (message: object) => void
  #reached = -Infinity
  #said = 0

  constructor({ meta, level, tell }: NoticesOptions) {
    const token = isObject(meta) ? meta['progressToken'] : undefined
    this.#token = isToken(token) ? token : undefined
    this.#level = level
    this.#tell = tell
  }

  get hears(): Conversation['hears'] {
    return { progress: this.#token !== undefined, log: this.#level !== undefined }
  }

  progress(done: number, total?: number, message?: string): void {
    if (this.#token === undefined || done <= this.#reached) return
    this.#reached = done
    this.#say('notifications/progress', {
      progressToken: this.#token,
      progress: done,
      ...(total === undefined ? {} : { total }),
      ...(message === undefined ? {} : { message }),
    })
  }

  log(level: LogLevel, logger: string, data: Json): void {
    if (this.#level === undefined || LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.#level)) return
    this.#say('notifications/message', { level, logger, data })
  }

  #say(method: string, params: JsonObject): void {
    if (this.#said >= MOST) return
    this.#said += 1
    this.#tell({ jsonrpc: '2.0', method, params })
  }
}

function isToken(said: Json | undefined): boolean {
  return typeof said === 'string' ? said.length <= LONGEST_TOKEN : Number.isSafeInteger(said)
}
