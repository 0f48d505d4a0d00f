/**
 * The board of the workers of one machine: it lives in the primary's memory, and is asked over the channel that every
 * worker has to it.
 */
import { BoardError, type Board, type BoardTraffic, type Exchange, type Exchanged } from './board.ts'
import type { MemoryBoard } from './memory-board.ts'

/** The part of `process` and of a worker that is needed. */
export interface Channel {
  readonly connected: boolean
  send(message: object): void
  onMessage(listener: (message: unknown) => void): void
}

type Question =
  | { readonly weir: 'board'; readonly id: number; readonly exchange: Exchange }
  | {
      readonly weir: 'board'
      readonly id: number
      readonly leave: string
      readonly topics: readonly string[]
    }

interface Answer {
  readonly weir: 'board-answer'
  readonly id: number
  readonly answer: Exchanged
}

/** A primary that does not answer so long is busy starting a worker, or stopped. */
const ANSWER_MS = 250

interface Waiting {
  readonly settle: (answer: Exchanged | undefined) => void
  readonly timer: NodeJS.Timeout
}

export class IpcBoard implements Board {
  readonly kind = 'ipc'
  readonly traffic: BoardTraffic & { commands: number; bytes: number } = { commands: 0, bytes: 0 }
  readonly #channel: Channel
  readonly #waiting = new Map<number, Waiting>()
  #id = 0
  #closed = false

  constructor(channel: Channel) {
    this.#channel = channel
    channel.onMessage((message) => {
      if (!isAnswer(message)) return
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      clearTimeout(waiting?.timer)
      waiting?.settle(message.answer)
    })
  }

  async exchange(exchange: Exchange): Promise<Exchanged> {
    const answer = await this.#ask((id) => ({ weir: 'board', id, exchange }))
    this.traffic.bytes += exchange.word.byteLength
    for (const { word } of answer.words) this.traffic.bytes += word.byteLength
    return answer
  }

  async leave(replica: string, topics: readonly string[]): Promise<void> {
    await this.#ask((id) => ({ weir: 'board', id, leave: replica, topics })).catch(() => {})
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { timer, settle } of this.#waiting.values()) {
      clearTimeout(timer)
      settle(undefined)
    }
    this.#waiting.clear()
  }

  async #ask(question: (id: number) => Question): Promise<Exchanged> {
    if (this.#closed) throw new BoardError('closed', 'the board is closed')
    if (!this.#channel.connected) throw new BoardError('unreachable', 'the primary is gone')
    this.#id += 1
    const id = this.#id
    this.traffic.commands += 1
    const answer = await new Promise<Exchanged | undefined>((settle) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        settle(undefined)
      }, ANSWER_MS)
      timer.unref()
      this.#waiting.set(id, { settle, timer })
      this.#channel.send(question(id))
    })
    if (answer === undefined) throw new BoardError('timeout', 'the primary did not answer in time')
    return answer
  }
}

/** In the primary: answers one worker's questions from `board`. Messages of others are left alone. */
export function serveBoard(channel: Channel, board: MemoryBoard): void {
  channel.onMessage((message) => {
    if (!isQuestion(message)) return
    if ('leave' in message) {
      void board.leave(message.leave, message.topics)
      const answer: Exchanged = { words: [], steward: '', epoch: 0 }
      if (channel.connected) channel.send({ weir: 'board-answer', id: message.id, answer } satisfies Answer)
      return
    }
    const answer = board.swap(message.exchange)
    if (channel.connected) channel.send({ weir: 'board-answer', id: message.id, answer } satisfies Answer)
  })
}

function isAnswer(message: unknown): message is Answer {
  return hasKind(message, 'board-answer')
}

function isQuestion(message: unknown): message is Question {
  return hasKind(message, 'board')
}

function hasKind(message: unknown, kind: string): boolean {
  return typeof message === 'object' && message !== null && 'weir' in message && message.weir === kind
}
