/**
 * Changes of what agents follow: documents, tasks and upstreams. What is told is the address alone: whoever wants to know
 * more reads it, under its own permissions at that moment.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Millis } from '../../core/model.ts'
import { demand } from '../caller.ts'
import type { LogTail } from '../log-tail.ts'
import { shownUpstream } from '../http/agent-routes.ts'
import { stateKey } from '../names.ts'
import { Refused } from '../refused.ts'
import type { CallContext } from './tools.ts'

/** A stream that follows: what it wants at this moment, and how it is told. */
export interface Following {
  /** Undefined = nobody listens any more. */
  wanted(): Promise<ReadonlySet<string> | undefined>
  /** Resolves when the client can take more. */
  tell(uri: string): Promise<void>
  readonly signal: AbortSignal
}

const STATE = 'weir://state/'
const TASK = 'weir://tasks/'
const TASKS = 'weir://tasks'
const UPSTREAM = 'weir://upstreams/'
const UPSTREAMS = 'weir://upstreams'
const TASK_EVENTS = 'weir.task.'
/** What somebody wants is looked up anew after that, and whether the session is still there. */
const LOOK_MS: Millis = 15_000
const LOOKED_AT = 256
/** How often it is looked whether an upstream is as it was; nothing announces that. */
const UPSTREAM_MS: Millis = 500

/** Whether changes of this can be told to this caller. @throws Refused `forbidden`, `unknown` */
export async function checkFollowed(uri: string, { commons, caller }: CallContext): Promise<void> {
  const name = nameIn(uri)
  if (uri === UPSTREAMS) demand(commons.may, caller, { do: 'upstream.read', on: '*' })
  else if (uri === TASKS) demand(commons.may, caller, { do: 'task.read', on: '*' })
  else if (uri.startsWith(UPSTREAM)) {
    demand(commons.may, caller, { do: 'upstream.read', on: name })
    shownUpstream(commons, name)
  } else if (uri.startsWith(TASK) && !name.includes('/')) await commons.tasks.get(caller, name)
  else if (uri.startsWith(STATE) && stateKey.safeParse(name).success) {
    demand(commons.may, caller, { do: 'state.read', on: name })
  } else {
    const allowed = `${STATE}{key}, ${TASKS}, ${TASK}{id}, ${UPSTREAMS}, ${UPSTREAM}{upstream}`
    throw new Refused('unknown', 'changes of this are not told', [
      { where: 'uri', found: uri.slice(0, 128), allowed },
    ])
  }
}

/** From where on changes are told. */
export interface Since {
  readonly state: number
  readonly events: number
  /** By upstream. */
  readonly bearings: ReadonlyMap<string, string>
}

export async function sinceNow({ commons }: CallContext): Promise<Since> {
  const { changes, bus, upstreams } = commons
  const state = (await changes.page(Infinity, 1)).last
  const bearings = new Map(upstreams.map((name) => [name, bearingOf(name, commons)]))
  return { state, events: await bus.last(), bearings }
}

/** Until nobody listens. Rejects when the store fails. */
export async function tellChanges(following: Following, since: Since, context: CallContext): Promise<void> {
  const ending = new AbortController()
  const signal = AbortSignal.any([following.signal, ending.signal])
  const allowed: Following = {
    wanted: () => following.wanted(),
    // What could be read when it was asked for may not be any more.
    tell: async (uri) => ((await mayRead(uri, context)) ? following.tell(uri) : undefined),
    signal,
  }
  const parts = [ofState, ofTasks, ofUpstreams].map((part) => part(allowed, since, context))
  try {
    // The first one that ends has seen that nobody listens.
    await Promise.race(parts)
  } finally {
    ending.abort()
    await Promise.allSettled(parts)
  }
}

function ofState(following: Following, { state }: Since, { commons }: CallContext): Promise<void> {
  return ofLog(following, state, commons.changes, STATE, ({ key }) => [`${STATE}${key}`])
}

function ofTasks(following: Following, { events }: Since, { commons }: CallContext): Promise<void> {
  return ofLog(following, events, commons.bus, TASKS, ({ type, subject }) =>
    type.startsWith(TASK_EVENTS) && typeof subject === 'string' ? [TASKS, `${TASK}${subject}`] : [],
  )
}

/** @param missed where all may have changed when the log does not reach back far enough */
async function ofLog<T>(
  following: Following,
  since: number,
  log: Pick<LogTail<T>, 'page' | 'grown'>,
  missed: string,
  changedBy: (item: T) => readonly string[],
): Promise<void> {
  let at = since
  while (!following.signal.aborted) {
    const { entries, first, last } = await log.page(at, LOOKED_AT)
    const isMissed = at > last || at + 1 < first
    const changed = new Set(entries.flatMap(({ item }) => changedBy(item)))
    const fits = (uri: string): boolean => (isMissed ? uri.startsWith(missed) : changed.has(uri))
    at = isMissed ? first - 1 : (entries.at(-1)?.offset ?? at)
    // Between the look and the wait nothing else is waited for, or what comes meanwhile would be slept through.
    if (entries.length === 0 && !isMissed) await log.grown(LOOK_MS, following.signal)
    if (!(await toldThose(following, fits))) return
  }
}

async function ofUpstreams(
  following: Following,
  { bearings }: Since,
  { commons }: CallContext,
): Promise<void> {
  const seen = new Map(bearings)
  while (!following.signal.aborted) {
    await sleep(UPSTREAM_MS, undefined, { signal: following.signal }).catch(ignore)
    const changed = new Set<string>()
    for (const [name, before] of seen) {
      const bearing = bearingOf(name, commons)
      if (bearing === before) continue
      seen.set(name, bearing)
      changed.add(`${UPSTREAM}${name}`).add(UPSTREAMS)
    }
    if (changed.size > 0 && !(await toldThose(following, (uri) => changed.has(uri)))) return
  }
}

/** Not its rate, which changes all the time on a ramp. */
function bearingOf(name: string, commons: CallContext['commons']): string {
  const { canBear, why } = shownUpstream(commons, name)
  return `${canBear} ${why}`
}

/** False = nobody listens any more. */
async function toldThose(following: Following, fits: (uri: string) => boolean): Promise<boolean> {
  const wanted = await following.wanted()
  if (wanted === undefined || following.signal.aborted) return false
  for (const uri of wanted) if (fits(uri)) await following.tell(uri)
  return true
}

/** What is no longer there has changed, too. */
async function mayRead(uri: string, context: CallContext): Promise<boolean> {
  try {
    await checkFollowed(uri, context)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return error.why !== 'forbidden'
  }
  return true
}

function nameIn(uri: string): string {
  const [, , , ...rest] = uri.split('/')
  return rest.join('/')
}

function ignore(): void {}
