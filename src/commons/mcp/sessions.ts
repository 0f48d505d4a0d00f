/**
 * Sessions of the revisions with a handshake: what a client can be asked, which log it wants, which resources it follows
 * and what it was asked. They lie in the store of the commons, under a hash of their id, so that any replica goes on with
 * them; each belongs to the agent that opened it. Bounded for each agent and in all: whoever was idle longest goes first.
 */
import { createHash, randomBytes } from 'node:crypto'
import type { Millis } from '../../core/model.ts'
import type { Caller } from '../caller.ts'
import type { Json } from '../json.ts'
import { readBack } from '../read-back.ts'
import { Refused } from '../refused.ts'
import { step, unchanged } from '../step.ts'
import type { Change, Store, Stored } from '../store.ts'
import type { Ability, LogLevel } from './conversation.ts'

/** What a client said to a question: its result, or that there is none. */
export type Said = { readonly result: Json } | { readonly error: string }

interface SessionRecord {
  readonly agent: string
  readonly trust: string
  readonly abilities: readonly Ability[]
  /** Absent = no log is wanted. */
  readonly level?: LogLevel
  /** Resources that it follows. */
  readonly uris: readonly string[]
  /** The stream that listens: the newest one, or '' before there was one. */
  readonly listener: string
  /** What it was asked, by the id of the request; null = not answered yet. */
  readonly questions: Readonly<Record<string, Said | null>>
  readonly usedAt: Millis
}

export type Session = Readonly<SessionRecord & { id: string }>
type Changed = Partial<Omit<SessionRecord, 'agent' | 'trust' | 'usedAt'>>

export const MOST_SESSIONS_OF_ONE = 64
export const MOST_FOLLOWED = 64
/** Of one session at once. */
export const MOST_QUESTIONS = 16
/** Unused for so long: it is over. */
export const IDLE_MS: Millis = 24 * 3_600_000
/** How exactly it is known when it was used last. */
const USED_MS: Millis = 60_000
/** An answer that waits in the store for whoever asked. */
const LARGEST_ANSWER = 64 * 1024
const DUE = 'mcp-session-due'
const SWEEP = 64

const INDEX_OF = (agent: string): string => `mcp-session-of/${agent}`
const ID_BYTES = 24

export class Sessions {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /** @throws Refused `full` */
  async open(caller: Caller, abilities: ReadonlySet<Ability>): Promise<Session> {
    await this.#makeRoom(caller.agent)
    const id = randomBytes(ID_BYTES).toString('base64url')
    const record: SessionRecord = {
      agent: caller.agent,
      trust: caller.trust,
      abilities: [...abilities],
      uris: [],
      listener: '',
      questions: {},
      usedAt: this.#store.now(),
    }
    const changes = [put(keyOf(id), record, 'absent')]
    const commit = await this.#store.commit(changes)
    if (!commit.ok) await this.#insteadOfIdlest(changes)
    return { id, ...record }
  }

  /** Undefined = there is none, it is over, or it is somebody else's: which of them is not told. */
  async find(id: string, caller: Caller): Promise<Session | undefined> {
    const stored = await this.#store.get(keyOf(id))
    const record = stored === undefined ? undefined : readBack<SessionRecord>(stored.value)
    if (record === undefined || !this.#isOf(record, caller)) return undefined
    if (this.#store.now() - record.usedAt > USED_MS) await this.#change(id, () => ({}))
    return { id, ...record }
  }

  async end({ id }: Session): Promise<void> {
    await this.#store.commit([{ do: 'delete', key: keyOf(id), expected: 'any' }])
  }

  async setLevel({ id }: Session, level: LogLevel): Promise<void> {
    await this.#change(id, () => ({ level }))
  }

  /** @throws Refused `too-many` */
  async follow({ id }: Session, uri: string): Promise<void> {
    await this.#change(id, ({ uris }) => {
      if (uris.includes(uri)) return undefined
      if (uris.length >= MOST_FOLLOWED) {
        throw new Refused('too-many', `a session follows at most ${MOST_FOLLOWED} resources`)
      }
      return { uris: [...uris, uri] }
    })
  }

  async unfollow({ id }: Session, uri: string): Promise<void> {
    await this.#change(id, ({ uris }) =>
      uris.includes(uri) ? { uris: uris.filter((each) => each !== uri) } : undefined,
    )
  }

  /** One stream listens for a session; the one before it ends. Answers the name of the new one. */
  async listen({ id }: Session): Promise<string> {
    const listener = randomBytes(9).toString('base64url')
    await this.#change(id, () => ({ listener }))
    return listener
  }

  /** Answers the ids under which it is asked. @throws Refused `too-many` */
  async asked({ id }: Session, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const ids = new Map(names.map((name) => [name, randomBytes(12).toString('base64url')]))
    await this.#change(id, ({ questions }) => {
      if (Object.keys(questions).length + ids.size > MOST_QUESTIONS) {
        throw new Refused('too-many', `a client is asked at most ${MOST_QUESTIONS} questions at once`)
      }
      const open = [...ids.values()].map((each) => [each, null] as const)
      return { questions: { ...questions, ...Object.fromEntries(open) } }
    })
    return ids
  }

  /** False = it was not asked that, or has answered. */
  async answered({ id }: Session, question: string, said: Said): Promise<boolean> {
    const kept = JSON.stringify(said).length > LARGEST_ANSWER ? { error: 'the answer is too large' } : said
    let isKnown = false
    await this.#change(id, ({ questions }) => {
      isKnown = Object.hasOwn(questions, question) && questions[question] === null
      return isKnown ? { questions: { ...questions, [question]: kept } } : undefined
    })
    return isKnown
  }

  /** What was said so far, by the id of the question; undefined = the session is over. */
  async said({ id }: Session): Promise<SessionRecord['questions'] | undefined> {
    const stored = await this.#store.get(keyOf(id))
    return stored === undefined ? undefined : readBack<SessionRecord>(stored.value).questions
  }

  /** Nobody waits for these answers any more. */
  async forget({ id }: Session, asked: Iterable<string>): Promise<void> {
    const gone = new Set(asked)
    await this.#change(id, ({ questions }) => ({
      questions: Object.fromEntries(Object.entries(questions).filter(([each]) => !gone.has(each))),
    }))
  }

  #isOf(record: SessionRecord, caller: Caller): boolean {
    if (this.#store.now() - record.usedAt > IDLE_MS) return false
    return record.trust === caller.trust && (record.agent === caller.agent || isNameless(record, caller))
  }

  /** Each change is a use; undefined = nothing is to be done. A session that is over stays so. */
  async #change(id: string, decide: (record: SessionRecord) => Changed | undefined): Promise<void> {
    await step(this.#store, async () => {
      const stored = await this.#store.get(keyOf(id))
      if (stored === undefined) return unchanged(undefined)
      const record = readBack<SessionRecord>(stored.value)
      const changed = decide(record)
      if (changed === undefined) return unchanged(undefined)
      const next = { ...record, ...changed, usedAt: this.#store.now() }
      return { changes: [put(stored.key, next, stored.version)], result: () => undefined }
    })
  }

  /** Those that are over go, and the idlest one of this agent if it has as many as it may. */
  async #makeRoom(agent: string): Promise<void> {
    const over = await this.#store.marked(DUE, this.#store.now() - IDLE_MS, SWEEP)
    const own = await this.#store.count(INDEX_OF(agent))
    const idlest = own < MOST_SESSIONS_OF_ONE ? [] : await this.#idlestOf(agent, own)
    const going = [...over, ...idlest]
    for (const { key } of new Map(going.map((each) => [each.key, each])).values()) {
      await this.#store.commit([{ do: 'delete', key, expected: 'any' }])
    }
  }

  /** @throws Refused `full` when one more does not fit even then */
  async #insteadOfIdlest(changes: readonly Change[]): Promise<void> {
    const [idlest] = await this.#store.marked(DUE, Infinity, 1)
    if (idlest !== undefined) {
      await this.#store.commit([{ do: 'delete', key: idlest.key, expected: 'any' }])
    }
    await step(this.#store, () => Promise.resolve({ changes, result: () => undefined }))
  }

  #idlestOf(agent: string, own: number): Promise<readonly Stored[]> {
    return this.#store.marked(INDEX_OF(agent), Infinity, own - MOST_SESSIONS_OF_ONE + 1)
  }
}

/**
 * Who shows nothing has a name made of its address while it opens a session, and then one made of the session that it
 * shows: nobody else has that id, and whoever opened it under a better name must show that again.
 */
function isNameless(record: SessionRecord, { agent, trust }: Caller): boolean {
  return trust === 'derived' && record.agent.startsWith('peer-') && agent.startsWith('mcp-')
}

function put(key: string, record: SessionRecord, expected: number | 'absent'): Change {
  const marks = { [DUE]: record.usedAt, [INDEX_OF(record.agent)]: record.usedAt }
  return { do: 'put', key, value: JSON.stringify(record), expected, marks, bounded: true }
}

function keyOf(id: string): string {
  return `mcp-session/${createHash('sha256').update(id).digest('base64url')}`
}
