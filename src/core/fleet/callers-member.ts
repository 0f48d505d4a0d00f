/**
 * The callers of one replica as those of a fleet: workflows and the operator's limits hold for what all replicas see of
 * them. One word for all of that, beside those on upstreams; its steward does nothing but count the turns by which
 * places that cannot be divided go round.
 */
import type { StaticLimits } from '../admit/static-limits.ts'
import type { CallersPeer, CallersSummary, CallersView, Outlook, Restlessness } from '../fleet.ts'
import { GONE_MS } from '../fleet.ts'
import type { Millis } from '../model.ts'
import type { Workflows } from '../observe/workflows.ts'
import type { KeyNews, OthersLoads } from './key-shares.ts'

/** Parts are reused for so long without the board; then they are equal (RLQS pattern, as for the discovered limit). */
const REUSE_MS = 30_000
const ROUND_MS = 1000
/** Replicas return to a board spread over two seconds; one more for their words. */
const BACK_MS = 3000
/** Keys that are listened to, of all replicas. */
const MOST_HEARD = 65_536
/** Numbers of a key in a word. */
const FIELDS = 3
const NOBODY: OthersLoads = []

export class CallersMember {
  readonly #workflows: Workflows
  readonly #limits: () => StaticLimits
  #standing: 'alone' | 'joined' | 'cut' = 'alone'
  #isSteward = false
  #round = 0
  #cutAt: Millis = Infinity
  /** Since when the board answers again. */
  #backAt: Millis = Infinity
  #news: KeyNews | undefined
  #hasWord = false

  /** @param limits those in force; another policy has others */
  constructor(workflows: Workflows, limits: () => StaticLimits) {
    this.#workflows = workflows
    this.#limits = limits
  }

  get outlook(): Outlook {
    return { restlessness: this.#restlessness, claims: this.#standing === 'joined', stamp: 0 }
  }

  get #restlessness(): Restlessness {
    if (!this.#hasWord || this.#standing !== 'joined') return 'quiet'
    return this.#limits().isContended ? 'unwell' : 'restless'
  }

  summary(now: Millis): CallersSummary {
    if (this.#isSteward) this.#round = Math.floor(now / ROUND_MS)
    const workflows = this.#workflows.told(now)
    const demands = this.#limits().tell(now)
    this.#hasWord = workflows.length + demands.length > 0
    return { workflows, demands, round: this.#round }
  }

  learn(view: CallersView): void {
    const { at, replica, peers, steward } = view
    if (!view.linked) {
      this.#backAt = Infinity
      if (this.#standing === 'joined') this.#cut(at)
      return
    }
    this.#isSteward = steward === replica
    if (!this.#isSteward) {
      const leader = peers.find((peer) => peer.replica === steward)
      this.#round = leader?.summary.round ?? this.#round
    }
    this.#workflows.hear(
      peers.filter(({ arrivedAt }) => at - arrivedAt < GONE_MS),
      at,
    )
    if (this.#standing === 'cut') {
      this.#backAt = Math.min(this.#backAt, at)
      // The others come back one after the other, and until they have all of them use their parts.
      if (at - this.#backAt < BACK_MS) return
    }
    this.#standing = peers.length > 0 ? 'joined' : 'alone'
    this.#cutAt = Infinity
    this.#backAt = Infinity
    // Who fell silent may still send: the roster keeps it, and with it its part, for a while.
    const loads = loadsOf(peers)
    const of = (id: number): OthersLoads => loads.get(id) ?? NOBODY
    this.#news = { at, replica, replicas: peers.length + 1, round: this.#round, of }
    this.#limits().hear(this.#news)
  }

  /** Time passes, also without a board. */
  age(now: Millis): void {
    if (this.#standing === 'alone') return
    this.#workflows.age(now)
    if (now - this.#cutAt < REUSE_MS) return
    this.#cutAt = Infinity
    this.#limits().lost(now, true)
  }

  /** Other limits are in force: they begin with what is known. */
  adopted(at: Millis): void {
    if (this.#news !== undefined) this.#limits().hear({ ...this.#news, at })
    if (this.#standing === 'cut') this.#limits().lost(at, this.#cutAt === Infinity)
  }

  #cut(at: Millis): void {
    this.#standing = 'cut'
    this.#isSteward = false
    this.#cutAt = at
    this.#limits().lost(at, false)
  }
}

function loadsOf(peers: readonly CallersPeer[]): Map<number, OthersLoads[number][]> {
  const loads = new Map<number, OthersLoads[number][]>()
  let heard = 0
  for (const { replica, summary } of peers) {
    const { demands } = summary
    for (let from = 0; from + FIELDS <= demands.length && heard < MOST_HEARD; from += FIELDS, heard++) {
      const id = demands[from]!
      const row = { replica, load: demands[from + 1]!, inUse: demands[from + 2]! }
      const known = loads.get(id)
      if (known === undefined) loads.set(id, [row])
      else known.push(row)
    }
  }
  return loads
}
