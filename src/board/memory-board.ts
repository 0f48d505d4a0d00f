/** The board in one process's memory: for the workers of one machine it lives in the primary, for tests anywhere. */
import { LEASE_MS, WORD_MS, type Board, type BoardTraffic, type Exchange, type Exchanged } from './board.ts'

interface Topic {
  readonly words: Map<string, { word: Uint8Array; at: number }>
  steward: string
  leaseUntil: number
  epoch: number
}

const GOODBYE = new Uint8Array(0)
/** More topics than any config has upstreams; a mistake of a caller cannot grow it without end. */
const MOST_TOPICS = 4096

export class MemoryBoard implements Board {
  readonly kind = 'memory'
  readonly traffic: BoardTraffic & { commands: number; bytes: number } = { commands: 0, bytes: 0 }
  readonly #clock: () => number
  readonly #topics = new Map<string, Topic>()

  /** @param clock monotonic ms */
  constructor(clock: () => number) {
    this.#clock = clock
  }

  async exchange(exchange: Exchange): Promise<Exchanged> {
    return this.swap(exchange)
  }

  /** The same at once. */
  swap({ topic: name, replica, word, claim, epoch }: Exchange): Exchanged {
    const now = this.#clock()
    const topic = this.#topic(name)
    this.traffic.commands += 1
    this.traffic.bytes += word.byteLength
    topic.words.set(replica, { word, at: now })
    for (const [other, said] of topic.words) if (now - said.at > WORD_MS) topic.words.delete(other)
    if (topic.leaseUntil <= now) topic.steward = ''
    if (topic.steward === replica && !claim) topic.steward = ''
    topic.epoch = Math.max(topic.epoch, epoch)
    if (claim && topic.steward === '') {
      topic.steward = replica
      topic.epoch += 1
    }
    if (topic.steward === replica) topic.leaseUntil = now + LEASE_MS
    const words: { replica: string; word: Uint8Array }[] = []
    for (const [other, said] of topic.words) {
      if (other === replica) continue
      this.traffic.bytes += said.word.byteLength
      words.push({ replica: other, word: said.word })
    }
    return { words, steward: topic.steward, epoch: topic.epoch }
  }

  async leave(replica: string, topics: readonly string[]): Promise<void> {
    for (const name of topics) {
      const topic = this.#topics.get(name)
      if (topic === undefined) continue
      topic.words.set(replica, { word: GOODBYE, at: this.#clock() })
      if (topic.steward === replica) topic.steward = ''
    }
  }

  async close(): Promise<void> {
    this.#topics.clear()
  }

  #topic(name: string): Topic {
    const known = this.#topics.get(name)
    if (known !== undefined) return known
    const topic = { words: new Map(), steward: '', leaseUntil: 0, epoch: 0 }
    if (this.#topics.size < MOST_TOPICS) this.#topics.set(name, topic)
    return topic
  }
}
