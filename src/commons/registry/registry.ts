/**
 * Discovery: who is there, what it can do, and how it is doing. What agents say of themselves is joined with what Weir
 * sees of their traffic; agents that never registered appear from their traffic alone.
 */
import type { Millis } from '../../core/model.ts'
import { demand, type Caller, type May } from '../caller.ts'
import { ownEventText } from '../events/cloud-event.ts'
import { Refused } from '../refused.ts'
import { step } from '../step.ts'
import type { Change, Store, Stored } from '../store.ts'
import { INDEX } from '../tasks/task-machine.ts'
import type { Elsewhere } from './elsewhere.ts'
import type { FlowBook } from './flow-book.ts'
import type { AgentView, Registration } from './registration.ts'
import { isSeen, observedOf } from './seen.ts'
import { readBack } from '../read-back.ts'

interface AgentRecord extends Registration {
  readonly registeredAt: Millis
  readonly expiresAt: Millis
}

export interface AgentQuery {
  readonly capability?: string | undefined
  readonly version?: string | undefined
  readonly live?: boolean | undefined
  readonly after: string
  readonly most: number
}

/** Whom a call makes alive that has no TTL of its own. */
const SEEN_MS: Millis = 60_000
const ROUND = 256
const DUE = 'agent-due'

export class Registry {
  readonly #store: Store
  readonly #may: May
  readonly #flows: FlowBook
  readonly #elsewhere: Elsewhere
  /** Told of every agent that is gone: what it had is free. */
  #onLeft: (agent: string, reason: string) => Promise<unknown> = async () => {}

  constructor(store: Store, may: May, flows: FlowBook, elsewhere: Elsewhere) {
    this.#store = store
    this.#may = may
    this.#flows = flows
    this.#elsewhere = elsewhere
  }

  onLeft(listener: (agent: string, reason: string) => Promise<unknown>): void {
    this.#onLeft = listener
  }

  /** Registers, or says anew what it can do; both are a sign of life. */
  async register(caller: Caller, agent: string, said: Registration): Promise<AgentView> {
    this.#demandSelf(caller, agent)
    await step(this.#store, async () => {
      const now = this.#store.now()
      const stored = await this.#store.get(keyOf(agent))
      const before = stored === undefined ? undefined : recordOf(stored)
      const isBack = before === undefined || before.expiresAt <= now
      const record: AgentRecord = {
        ...said,
        registeredAt: isBack ? now : before.registeredAt,
        expiresAt: now + said.ttlMs,
      }
      const capabilities = said.capabilities.map(({ name }) => name)
      const data = { agent, capabilities }
      const joined: Change = {
        do: 'append',
        log: 'events',
        value: ownEventText({ type: 'weir.agent.joined', subject: agent, data }, now),
      }
      return {
        changes: [putOf(agent, record, stored?.version ?? 'absent'), ...(isBack ? [joined] : [])],
        result: () => undefined,
      }
    })
    return this.get(caller, agent)
  }

  /** @throws Refused `unknown` when it is not registered, or has left by its silence: it registers again */
  async heartbeat(caller: Caller, agent: string): Promise<Millis> {
    this.#demandSelf(caller, agent)
    return step(this.#store, async () => {
      const now = this.#store.now()
      const stored = await this.#store.get(keyOf(agent))
      const record = stored === undefined ? undefined : recordOf(stored)
      if (stored === undefined || record === undefined || record.expiresAt <= now) {
        throw new Refused('unknown', `${agent} is not registered; PUT it again`)
      }
      const expiresAt = now + record.ttlMs
      return { changes: [putOf(agent, { ...record, expiresAt }, stored.version)], result: () => expiresAt }
    })
  }

  async leave(caller: Caller, agent: string): Promise<void> {
    this.#demandSelf(caller, agent)
    await step(this.#store, async () => {
      const stored = await this.#store.get(keyOf(agent))
      if (stored === undefined) throw new Refused('unknown', `${agent} is not registered`)
      return { changes: this.#leaving(agent, stored.version, 'it said so'), result: () => undefined }
    })
    await this.#gone(agent, 'it left')
  }

  /** @throws Refused `unknown` */
  async get(caller: Caller, agent: string): Promise<AgentView> {
    demand(this.#may, caller, { do: 'agent.read', on: agent })
    await this.#elsewhere.look()
    const view = await this.#view(agent, await this.#store.get(keyOf(agent)))
    if (view === undefined) throw new Refused('unknown', `no agent ${agent} is registered or was seen`)
    return view
  }

  /** By name, after the name `after`. */
  async find(caller: Caller, query: AgentQuery): Promise<readonly AgentView[]> {
    demand(this.#may, caller, { do: 'agent.read', on: query.capability ?? '*' })
    const found: AgentView[] = []
    await this.#elsewhere.look()
    const seen = query.capability === undefined ? this.#seenNames(query.after) : []
    let after = query.after
    for (;;) {
      const rows = await this.#store.scan('agent/', after === '' ? '' : keyOf(after), ROUND)
      const isLast = rows.length < ROUND
      const registered = new Map(rows.map((row) => [row.key.slice('agent/'.length), row]))
      const end = [...registered.keys()].at(-1) ?? ''
      const names = new Set(registered.keys())
      // Those known from traffic alone come in between, in the same order.
      for (const name of seen) if (name > after && (isLast || name <= end)) names.add(name)
      for (const name of [...names].toSorted()) {
        const view = await this.#view(name, registered.get(name))
        if (view === undefined || !isWanted(view, query)) continue
        if (found.push(view) >= query.most) return found
      }
      if (isLast) return found
      after = end
    }
  }

  /** registered: alive by what they say. seen: by their traffic, whether they are registered or not. */
  async count(): Promise<{ readonly registered: number; readonly seen: number }> {
    const seen = this.#flows.seenSince(this.#store.now() - SEEN_MS)
    return { registered: await this.#store.count(DUE), seen }
  }

  /** Lets those go who have been silent for too long. */
  async tick(): Promise<void> {
    const due = await this.#store.marked(DUE, this.#store.now(), ROUND)
    for (const { key, version } of due) {
      const agent = key.slice('agent/'.length)
      // Another replica may be faster; a heartbeat that comes in between wins.
      const commit = await this.#store.commit(this.#leaving(agent, version, 'no sign of life'))
      if (commit.ok) await this.#gone(agent, 'it gave no sign of life')
    }
  }

  #gone(agent: string, reason: string): Promise<unknown> {
    this.#flows.left(agent, this.#store.now())
    return this.#onLeft(agent, reason)
  }

  #leaving(agent: string, version: number, reason: string): Change[] {
    const text = ownEventText(
      { type: 'weir.agent.left', subject: agent, data: { agent, reason } },
      this.#store.now(),
    )
    return [
      { do: 'delete', key: keyOf(agent), expected: version },
      { do: 'append', log: 'events', value: text },
    ]
  }

  async #view(agent: string, stored: Stored | undefined): Promise<AgentView | undefined> {
    const now = this.#store.now()
    const record = stored === undefined ? undefined : recordOf(stored)
    const isRegistered = record !== undefined && record.expiresAt > now
    const here = this.#flows.of(agent)
    const seen = [...(here === undefined ? [] : [here]), ...this.#elsewhere.of(agent)]
    const observed = observedOf(seen)
    if (!isRegistered && observed === undefined) return undefined
    return {
      agent,
      registered: isRegistered,
      live: isRegistered || isSeen(seen, now - SEEN_MS),
      capabilities: isRegistered ? record.capabilities : [],
      ...(isRegistered && record.endpoint !== undefined ? { endpoint: record.endpoint } : {}),
      ...(isRegistered && record.card !== undefined ? { card: record.card } : {}),
      ...(isRegistered ? { registeredAt: record.registeredAt, expiresAt: record.expiresAt } : {}),
      tasks: await this.#store.count(INDEX.owner(agent)),
      ...(observed === undefined ? {} : { observed }),
    }
  }

  /** Known from traffic, here or elsewhere. */
  #seenNames(after: string): ReadonlySet<string> {
    return new Set([...this.#flows.names(after), ...this.#elsewhere.names(after)])
  }

  #demandSelf(caller: Caller, agent: string): void {
    demand(this.#may, caller, { do: 'agent.register', on: agent })
    if (caller.agent === agent) return
    throw new Refused('forbidden', `you are ${caller.agent}, not ${agent}`, [
      {
        where: 'agent',
        found: caller.agent,
        allowed: `your own name; say it in weir-agent, or in the base URL /@${agent}/`,
      },
    ])
  }
}

function isWanted(view: AgentView, { capability, version, live }: AgentQuery): boolean {
  if (live !== undefined && view.live !== live) return false
  if (capability === undefined) return true
  return view.capabilities.some(({ name, version: has }) => name === capability && (version ?? has) === has)
}

function putOf(agent: string, record: AgentRecord, expected: number | 'absent'): Change {
  const marks = { [DUE]: record.expiresAt }
  return { do: 'put', key: keyOf(agent), value: JSON.stringify(record), expected, marks, bounded: true }
}

function recordOf(stored: Stored): AgentRecord {
  return readBack<AgentRecord>(stored.value)
}

function keyOf(agent: string): string {
  return `agent/${agent}`
}
