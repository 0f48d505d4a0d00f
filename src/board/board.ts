/**
 * The port: where replicas leave a word for each other, and who of them is the steward of a topic. Three
 * implementations pass one suite (`test/board/board.contract.ts`): memory (one process), ipc (the workers of one
 * machine) and redis (a fleet). Nothing on the path of a call ever waits for a board.
 */

/** What one replica gives and takes at one topic, in one step. */
export interface Exchange {
  /** The name of an upstream, or another word of the closed set of topics; `[A-Za-z0-9._-]{1,64}`. */
  readonly topic: string
  /** This replica, another name after each start. */
  readonly replica: string
  /** Its word, which takes the place of its last one. */
  readonly word: Uint8Array
  /** It would be the steward: takes a free place, and keeps one that it has. Else it gives it up. */
  readonly claim: boolean
  /** The highest epoch that it has seen at this topic: a board that forgot goes on above it. */
  readonly epoch: number
}

export interface Exchanged {
  /** The last words of the others, an empty one of who has left. Those silent for `WORD_MS` are left out. */
  readonly words: readonly { readonly replica: string; readonly word: Uint8Array }[]
  /** Who is the steward; '' = nobody. */
  readonly steward: string
  /** Grows by one each time that the stewardship changes hands; the larger epoch is the later one. */
  readonly epoch: number
}

export interface Board {
  readonly kind: 'memory' | 'ipc' | 'redis'
  /** @throws BoardError within the board's own time limit when it does not answer */
  exchange(exchange: Exchange): Promise<Exchanged>
  /** Says goodbye, an empty word, and gives up what it holds, as far as the board answers; never rejects. */
  leave(replica: string, topics: readonly string[]): Promise<void>
  /** No more of it: closes connections and timers. */
  close(): Promise<void>
  /** Counted since start. */
  readonly traffic: BoardTraffic
}

export interface BoardTraffic {
  readonly commands: number
  /** Of words given and taken, without the protocol around them. */
  readonly bytes: number
}

/** Words of a replica that says nothing for so long are dropped by the board: 2 s of quiet pace, five times missed. */
export const WORD_MS = 10_000
/** A steward that does not renew is replaced after this: five exchanges of an upstream that is not well. */
export const LEASE_MS = 2500

export type BoardFault = 'unreachable' | 'timeout' | 'full' | 'read-only' | 'refused' | 'closed'

/** The board did not do what it was asked. `fault` is a metric label. */
export class BoardError extends Error {
  override readonly name = 'BoardError'
  readonly fault: BoardFault

  constructor(fault: BoardFault, message: string) {
    super(message)
    this.fault = fault
  }
}
