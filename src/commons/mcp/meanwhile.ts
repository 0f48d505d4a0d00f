/**
 * What a call hears while it waits: how long it has waited and for what, and Weir's own events of that time, which say
 * why. Only for callers that want it: nothing is looked up for others.
 */
import type { Millis } from '../../core/model.ts'
import type { JsonObject } from '../json.ts'
import { Refused } from '../refused.ts'
import type { Conversation, LogLevel } from './conversation.ts'
import type { CallContext } from './tools.ts'

const EACH_MS: Millis = 1000
const EVENTS = 64
const LOOK_MS: Millis = 15_000
const OWN_EVENTS = 'weir.*'
const LOGGER = 'weir'

/** Others are `info`. */
const LEVELS: readonly (readonly [LogLevel, RegExp])[] = [
  ['error', /^weir\.delivery\.exhausted$/],
  ['warning', /\.(started|gated|left|expired|failed|looping)$/],
  ['notice', /\.(ended|changed|parked|resumed|reassigned|released|narrowed)$/],
]

/** A release is good news, however it is called. */
const GOOD = 'weir.release.'

export interface Waiting {
  readonly name: string
  readonly given: JsonObject
}

/** The context of a call whose waits are heard, and how to say that it has ended. */
export function heardWaiting(
  waiting: Waiting,
  context: CallContext,
  conversation: Conversation,
): { readonly context: CallContext; readonly end: () => void } {
  const { progress, log } = conversation.hears
  if (!progress && !log) return { context, end: ignore }
  const ending = new AbortController()
  const signal = AbortSignal.any([context.signal, ending.signal])
  const wait = (): void => {
    context.wait()
    if (progress) tellProgress(waiting, context, conversation, signal)
    if (log) tellEvents(waiting, { ...context, signal }, conversation).catch(troubled)
  }
  function troubled(error: unknown): void {
    const isForbidden = error instanceof Refused && error.why === 'forbidden'
    if (!isForbidden) context.commons.onTrouble(error)
  }
  return { context: { ...context, wait }, end: () => ending.abort() }
}

function tellProgress(
  { given }: Waiting,
  { commons }: CallContext,
  conversation: Conversation,
  signal: AbortSignal,
): void {
  const began = commons.store.now()
  const total = Math.min(Number(given['waitMs']), commons.limits.waitMs)
  const say = (done: Millis): void => conversation.progress(done, total, messageOf(given, commons))
  const timer = setInterval(() => say(Math.min(commons.store.now() - began, total)), EACH_MS)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  say(0)
}

/** What is waited for, as it is now. */
function messageOf({ upstream }: JsonObject, { canBear }: CallContext['commons']): string {
  if (typeof upstream !== 'string') return 'nothing yet'
  const bearing = canBear(upstream)
  return bearing?.is === 'shut' ? `${upstream} is ${bearing.condition}` : `${upstream} can bear it`
}

async function tellEvents(
  { given: { upstream } }: Waiting,
  { commons: { bus }, caller, signal }: CallContext,
  conversation: Conversation,
): Promise<void> {
  const filter = { types: [OWN_EVENTS], ...(typeof upstream === 'string' ? { subject: upstream } : {}) }
  let at = await bus.last()
  while (!signal.aborted) {
    const { entries, next } = await bus.find(caller, filter, at, EVENTS)
    if (signal.aborted) return
    for (const { item } of entries) conversation.log(levelOf(item.type), LOGGER, item)
    at = next
    if (entries.length === 0) await bus.grown(LOOK_MS, signal)
  }
}

function levelOf(type: string): LogLevel {
  if (type.startsWith(GOOD)) return 'notice'
  return LEVELS.find(([, pattern]) => pattern.test(type))?.[0] ?? 'info'
}

function ignore(): void {}
