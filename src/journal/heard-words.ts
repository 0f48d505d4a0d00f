/**
 * What other replicas said, in the lines of a journal and out of them again. A word says much the same as the one before
 * it, and each replica hears all the others: only what changed is written, or eight replicas would fill a journal with
 * what they heard. Now and then all of it is written, so that a line that is missing does not cost the rest of the run.
 */
import type { CallersSummary, CallersView, FleetView, UpstreamSummary } from '../core/fleet.ts'
import type { Millis } from '../core/model.ts'

/** Lines of one topic from one that says all of it to the next. */
const WHOLE_EVERY = 64
/** The topic of callers, beside those of upstreams by index. */
const CALLERS = -1

/** One replica's word in a line. */
interface WrittenPeer {
  readonly replica: string
  /** Absent = it said nothing since the line before. */
  readonly arrivedAt?: Millis
  readonly summary?: Fields
  /** In place of `summary`, by field: its value, or of a list the values by index. */
  readonly changed?: Fields
}

type Fields = Readonly<Record<string, unknown>>

interface HeardPeer {
  readonly replica: string
  readonly arrivedAt: Millis
  readonly summary: Fields
}

interface Topic {
  lines: number
  last: ReadonlyMap<string, HeardPeer>
}

export interface HeardOptions {
  /** What is said of agents and workflows goes by hashes without a key: it is left out where names are not to be told. */
  readonly hidesNames: boolean
}

export class HeardWriter {
  readonly #hidesNames: boolean
  readonly #topics = new Map<number, Topic>()

  constructor({ hidesNames }: HeardOptions) {
    this.#hidesNames = hidesNames
  }

  fleet(view: FleetView): string {
    const peers = view.peers.map((peer) => ({
      ...peer,
      summary: { ...(this.#hidesNames ? withoutAgents(peer.summary) : peer.summary) },
    }))
    return JSON.stringify({ ...view, peers: this.#written(view.upstream, peers) })
  }

  callers(view: CallersView): string {
    const peers = view.peers.map((peer) => ({
      ...peer,
      summary: { ...(this.#hidesNames ? withoutCallers(peer.summary) : peer.summary) },
    }))
    return JSON.stringify({ ...view, peers: this.#written(CALLERS, peers) })
  }

  #written(name: number, peers: readonly HeardPeer[]): WrittenPeer[] {
    const topic = topicOf(this.#topics, name)
    const known = topic.lines % WHOLE_EVERY === 0 ? NOBODY : topic.last
    topic.lines += 1
    topic.last = new Map(peers.map((peer) => [peer.replica, peer]))
    return peers.map(({ replica, arrivedAt, summary }) => {
      const before = known.get(replica)
      if (before === undefined) return { replica, arrivedAt, summary }
      if (before.arrivedAt === arrivedAt) return { replica }
      return { replica, arrivedAt, changed: changes(before.summary, summary) }
    })
  }
}

/** Of one run, its lines in their order. */
export class HeardReader {
  readonly #topics = new Map<number, Topic>()

  fleet(text: string): FleetView {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the writer above wrote it
    const view = JSON.parse(text) as FleetView & { readonly peers: readonly WrittenPeer[] }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the writer above wrote it
    const peers = this.#read(view.upstream, view.peers) as unknown as FleetView['peers']
    return { ...view, peers: peers.map((peer) => ({ ...peer, summary: { ...NOT_SAID, ...peer.summary } })) }
  }

  callers(text: string): CallersView {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the writer above wrote it
    const view = JSON.parse(text) as CallersView & { readonly peers: readonly WrittenPeer[] }
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as the writer above wrote it
    return { ...view, peers: this.#read(CALLERS, view.peers) as unknown as CallersView['peers'] }
  }

  /** Whose former word is missing is left out until all of it is told again. */
  #read(name: number, written: readonly WrittenPeer[]): HeardPeer[] {
    const topic = topicOf(this.#topics, name)
    const peers: HeardPeer[] = []
    for (const { replica, arrivedAt, summary, changed } of written) {
      const before = topic.last.get(replica)
      const after = summary ?? (before === undefined ? undefined : patched(before.summary, changed))
      const at = arrivedAt ?? before?.arrivedAt
      if (after !== undefined && at !== undefined) peers.push({ replica, arrivedAt: at, summary: after })
    }
    topic.last = new Map(peers.map((peer) => [peer.replica, peer]))
    return peers
  }
}

/** What older releases of Weir did not say, in their journals: as a word without it is read. */
const NOT_SAID = { learned: 0 }

const NOBODY: ReadonlyMap<string, HeardPeer> = new Map()

function topicOf(topics: Map<number, Topic>, name: number): Topic {
  const known = topics.get(name)
  if (known !== undefined) return known
  const topic = { lines: 0, last: NOBODY }
  topics.set(name, topic)
  return topic
}

function changes(before: Fields, now: Fields): Fields {
  const changed: Record<string, unknown> = {}
  for (const [field, value] of Object.entries(now)) {
    const old = before[field]
    const news = Array.isArray(value) && Array.isArray(old) ? listChanges(old, value) : value
    if (news !== undefined && news !== old) changed[field] = news
  }
  return changed
}

/** The list, or what is new in it by index when that is less; undefined = nothing is. */
function listChanges(before: readonly unknown[], now: readonly unknown[]): unknown {
  if (before.length !== now.length) return now
  const news = [...now.entries()].filter(([index, value]) => value !== before[index])
  if (news.length === 0) return undefined
  return 2 * news.length > now.length ? now : Object.fromEntries(news)
}

function patched(before: Fields, changed: Fields = {}): Fields {
  const after: Record<string, unknown> = { ...before }
  for (const [field, news] of Object.entries(changed)) {
    const old = before[field]
    const isByIndex = Array.isArray(old) && !Array.isArray(news)
    after[field] = isByIndex ? Object.assign([...old], news) : news
  }
  return after
}

function withoutAgents(summary: UpstreamSummary): UpstreamSummary {
  return { ...summary, heaviest: 0, retrying: [], active: [] }
}

function withoutCallers(summary: CallersSummary): CallersSummary {
  return { ...summary, workflows: [], demands: [] }
}
