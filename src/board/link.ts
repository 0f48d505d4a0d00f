/**
 * Joins a core to a board: when to exchange words, what a failure means, what is known and how old it is. Calls never
 * wait for any of it: a word that does not come leaves the core with what it knows.
 */
import type { CallersSummary, CallersView, FleetView, Outlook, UpstreamSummary } from '../core/fleet.ts'
import type { Millis, UpstreamIndex } from '../core/model.ts'
import { seeded } from '../core/random.ts'
import { BoardError, type Board, type BoardFault, type Exchanged } from './board.ts'
import { ExchangePace } from './pace.ts'
import { CALLERS_WORDS } from './callers-format.ts'
import { Roster, type HeardPeer } from './roster.ts'
import { sealedWords } from './sealed-words.ts'
import { SUMMARY_WORDS } from './summary-format.ts'

/** The topic of callers; no upstream has an underscore in its name. */
export const CALLERS_TOPIC = '_callers'

/** The callers of a core: workflows and the operator's limits. */
export interface LinkedCallers {
  callers(now: Millis): CallersSummary
  learnCallers(view: CallersView): void
  callersOutlook(): Outlook
}

export interface LinkedCore {
  summary(upstream: UpstreamIndex, now: Millis): UpstreamSummary
  learn(view: FleetView): void
  outlook(upstream: UpstreamIndex): Outlook
}

export interface LinkDeps {
  readonly board: Board
  readonly core: LinkedCore
  /** Undefined = only upstreams are told of. */
  readonly callers?: LinkedCallers
  /** Whoever has not the same cannot read what is said of callers; undefined = all can. */
  readonly secret?: Buffer | undefined
  /** Names by index; each is a topic. */
  readonly upstreams: readonly string[]
  /** Unique, another one after each start; `[A-Za-z0-9._-]{1,64}`. */
  readonly replica: string
  /** Monotonic ms. */
  readonly clock: () => Millis
  readonly seed: number
  /** The core was told something: something may be due there. */
  readonly onLearnt: () => void
  /** One line of at most one kind of trouble; whoever gets it keeps it to one in ten seconds. */
  readonly onTrouble: (fault: BoardFault, message: string) => void
  /** The board answers again. */
  readonly onBack: (downMs: Millis) => void
}

export interface BoardReading {
  readonly kind: Board['kind']
  readonly replica: string
  readonly up: boolean
  /** Replicas known, this one included. */
  readonly replicas: number
  /** Since the board last answered; Infinity = never. */
  readonly ageMs: Millis
  readonly commands: number
  readonly bytes: number
  readonly unreadable: number
  readonly errors: Readonly<Record<BoardFault, number>>
  /** By upstream: age of what is known of the others (Infinity = nobody), who is the steward ('' = nobody). */
  readonly topics: readonly { readonly ageMs: Millis; readonly steward: string; readonly epoch: number }[]
}

/** How often it is looked whether something is due; the only timer. */
const LOOK_MS = 50
/** Without an answer for so long the board counts as lost: a steward stops before its lease is over. */
const LOST_MS = 1500
/** Failures in a row after which a topic, or the board when none of its topics answers, is tried less and less often. */
const FAILURES = 3
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 2000
/** After a return topics come back spread over this, so that a fleet does not come back in one instant. */
const REJOIN_MS = 2000

interface Topic {
  readonly name: string
  readonly outlook: () => Outlook
  readonly word: (now: Millis, sequence: number) => Uint8Array
  readonly learn: (now: Millis, linked: boolean) => void
  readonly roster: Heard
  dueAt: Millis
  sentAt: Millis
  stamp: number
  sequence: number
  /** Since the last answer. */
  failures: number
  busy: boolean
  linked: boolean
  steward: string
}

/** What a link needs to know of a roster, whatever its words say. */
interface Heard {
  readonly epoch: number
  readonly heardAt: Millis
  readonly known: number
  readonly unreadable: number
  hear(answer: Exchanged, at: Millis): void
  fresh(at: Millis): readonly HeardPeer<unknown>[]
}

export class BoardLink {
  readonly #deps: LinkDeps
  readonly #pace: ExchangePace
  readonly #random: () => number
  readonly #topics: Topic[]
  readonly #errors: Record<BoardFault, number> = {
    unreachable: 0,
    timeout: 0,
    full: 0,
    'read-only': 0,
    refused: 0,
    closed: 0,
  }
  #timer: NodeJS.Timeout | undefined
  /** Of all topics, since the last answer to any. */
  #failures = 0
  #answeredAt: Millis = -Infinity
  #retryAt: Millis = 0
  #downAt: Millis = 0
  #stopped = false

  constructor(deps: LinkDeps) {
    this.#deps = deps
    this.#random = seeded(deps.seed)
    this.#pace = new ExchangePace(this.#random)
    const { callers } = deps
    this.#topics = deps.upstreams.map((name, upstream) => topicOfUpstream(deps, name, upstream))
    if (callers !== undefined) this.#topics.push(topicOfCallers(deps, callers))
  }

  start(): void {
    const now = this.#deps.clock()
    for (const topic of this.#topics) topic.dueAt = now + 500 * this.#random()
    this.#timer = setInterval(() => this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  /** Takes its words back and ends; the board itself stays open. */
  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    clearInterval(this.#timer)
    const { board, replica } = this.#deps
    await board.leave(
      replica,
      this.#topics.map(({ name }) => name),
    )
  }

  get up(): boolean {
    return !this.#isDown && this.#answeredAt > -Infinity
  }

  read(): BoardReading {
    const { board, replica, clock } = this.#deps
    const now = clock()
    const known = new Set<string>([replica])
    for (const { roster } of this.#topics) for (const peer of roster.fresh(now)) known.add(peer.replica)
    return {
      kind: board.kind,
      replica,
      up: this.up,
      replicas: known.size,
      ageMs: now - this.#answeredAt,
      commands: board.traffic.commands,
      bytes: board.traffic.bytes,
      unreadable: this.#topics.reduce((sum, { roster }) => sum + roster.unreadable, 0),
      errors: this.#errors,
      topics: this.#topics.slice(0, this.#deps.upstreams.length).map(({ roster, steward }) => ({
        ageMs: now - Math.max(-Infinity, ...roster.fresh(now).map(({ arrivedAt }) => arrivedAt)),
        steward,
        epoch: roster.epoch,
      })),
    }
  }

  /** No topic answers. While some do, a node of a cluster may be gone, and the others' topics are none the worse for it. */
  get #isDown(): boolean {
    return this.#failures >= FAILURES && this.#topics.every(({ failures }) => failures > 0)
  }

  #look(): void {
    const now = this.#deps.clock()
    const isSilent = this.#failures > 0 && now - this.#answeredAt >= LOST_MS
    for (const topic of this.#topics) {
      if (!topic.linked || now - topic.roster.heardAt < LOST_MS) continue
      if (isSilent || topic.failures > 0) this.#lose(topic, now)
    }
    const outlooks = this.#topics.map((topic) => topic.outlook())
    if (this.#isDown) return this.#tryAgain(outlooks, now)
    const load = outlooks.reduce((sum, { restlessness }) => sum + ExchangePace.load(restlessness), 0)
    for (const [index, topic] of this.#topics.entries()) {
      const outlook = outlooks[index]!
      if (topic.busy) continue
      const isNews = outlook.stamp !== topic.stamp && topic.failures < FAILURES
      if (now < topic.dueAt && !(isNews && now - topic.sentAt >= ExchangePace.urgentAfter(load))) continue
      const pause = topic.failures < FAILURES ? 0 : this.#backoff(topic.failures)
      topic.dueAt =
        now + Math.max(pause, this.#pace.after(outlook.restlessness, load, topic.roster.known + 1))
      void this.#exchange(topic, outlook, now)
    }
  }

  /** One exchange at a time tells whether the board is back: the topics take turns, since one node may be without. */
  #tryAgain(outlooks: readonly Outlook[], now: Millis): void {
    if (now < this.#retryAt) return
    let next = 0
    for (const [index, { sentAt }] of this.#topics.entries()) {
      if (sentAt < this.#topics[next]!.sentAt) next = index
    }
    const topic = this.#topics[next]!
    if (topic.busy) return
    this.#retryAt = now + RETRY_MAX_MS
    void this.#exchange(topic, outlooks[next]!, now)
  }

  async #exchange(topic: Topic, { claims, stamp }: Outlook, now: Millis): Promise<void> {
    const { board, replica, clock } = this.#deps
    topic.busy = true
    topic.stamp = stamp
    topic.sentAt = now
    topic.sequence += 1
    try {
      const word = topic.word(now, topic.sequence)
      const epoch = topic.roster.epoch
      const answer = await board.exchange({ topic: topic.name, replica, word, claim: claims, epoch })
      if (this.#stopped) return
      const at = clock()
      topic.roster.hear(answer, at)
      topic.steward = answer.steward
      topic.linked = true
      this.#succeeded(topic, at)
      topic.learn(at, true)
      this.#deps.onLearnt()
    } catch (error) {
      if (!this.#stopped) this.#failed(topic, error)
    } finally {
      topic.busy = false
    }
  }

  #succeeded(topic: Topic, at: Millis): void {
    if (this.#isDown) {
      this.#deps.onBack(at - this.#downAt)
      for (const each of this.#topics) each.dueAt = at + REJOIN_MS * this.#random()
    }
    topic.failures = 0
    this.#failures = 0
    this.#answeredAt = at
  }

  #failed(topic: Topic, error: unknown): void {
    // Whatever it is, calls go on without the board.
    const fault = error instanceof BoardError ? error.fault : 'refused'
    const now = this.#deps.clock()
    this.#errors[fault] += 1
    if (this.#failures === 0) this.#downAt = now
    topic.failures += 1
    this.#failures += 1
    this.#retryAt = now + this.#backoff(this.#failures)
    this.#deps.onTrouble(fault, error instanceof Error ? error.message : String(error))
  }

  /** Doubling from `FAILURES` on, up to half of it left to chance. */
  #backoff(failures: number): Millis {
    const full = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.max(0, failures - FAILURES))
    return full * (0.5 + this.#random() / 2)
  }

  #lose(topic: Topic, now: Millis): void {
    topic.linked = false
    topic.steward = ''
    topic.learn(now, false)
    this.#deps.onLearnt()
  }
}

function topicOfUpstream(deps: LinkDeps, name: string, upstream: UpstreamIndex): Topic {
  const { core, replica } = deps
  const roster = new Roster(replica, SUMMARY_WORDS)
  return {
    name,
    roster,
    outlook: () => core.outlook(upstream),
    word: (now, sequence) => SUMMARY_WORDS.write(core.summary(upstream, now), sequence),
    learn: (now, linked) => core.learn({ ...roster.view(now, linked), upstream }),
    ...NOT_YET,
  }
}

function topicOfCallers({ replica, secret }: LinkDeps, callers: LinkedCallers): Topic {
  const words = secret === undefined ? CALLERS_WORDS : sealedWords(CALLERS_WORDS, secret)
  const roster = new Roster(replica, words)
  return {
    name: CALLERS_TOPIC,
    roster,
    outlook: () => callers.callersOutlook(),
    word: (now, sequence) => words.write(callers.callers(now), sequence),
    learn(now, linked) {
      const { at, peers, steward } = roster.view(now, linked)
      callers.learnCallers({ at, replica, linked, peers, steward })
    },
    ...NOT_YET,
  }
}

const NOT_YET = {
  dueAt: 0,
  sentAt: -Infinity,
  stamp: -1,
  sequence: 0,
  failures: 0,
  busy: false,
  linked: false,
  steward: '',
}
