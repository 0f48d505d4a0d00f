/**
 * Events as CloudEvents 1.0. `sender` and `correlationid` are extension attributes that Weir itself writes: who sent
 * an event is what Weir knows of the caller, never what the message says.
 */
import { randomUUID } from 'node:crypto'
import { CloudEvent, HTTP, ValidationError } from 'cloudevents'
import type { Millis } from '../../core/model.ts'
import type { Caller } from '../caller.ts'
import { type Json, type JsonObject, parseJson } from '../json.ts'
import { eventType } from '../names.ts'
import { malformed, Refused } from '../refused.ts'

/** As it is kept and delivered: the JSON format of CloudEvents (structured mode). */
export interface BusEvent extends JsonObject {
  readonly specversion: '1.0'
  readonly id: string
  readonly source: string
  readonly type: string
  /** RFC 3339. */
  readonly time: string
  readonly sender: string
}

const SOURCE = '/weir'
/** Types of Weir's own events; no agent publishes them. */
const OWN_TYPES = 'weir.'
const LONGEST = { id: 256, source: 1024, subject: 1024, attribute: 4096 } as const
const MOST_ATTRIBUTES = 32
const MOST_IN_BATCH = 100
/** CloudEvents 1.0, 2.2. */
const ATTRIBUTE = /^[a-z0-9]{1,64}$/
const ENVELOPE: ReadonlySet<string> = new Set(['data', 'data_base64'])

export interface Message {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Reads binary, structured and batched mode. @throws Refused `malformed`, `wrong-type`, `forbidden` */
export function eventsOf(message: Message, caller: Caller, now: Millis, mostBytes: number): BusEvent[] {
  const type = String(message.headers['content-type'] ?? '').toLowerCase()
  const isJson = type.includes('json')
  const isEnvelope = type.startsWith('application/cloudevents')
  if (!isEnvelope && message.headers['ce-specversion'] === undefined) {
    throw new Refused('wrong-type', 'the message is no CloudEvent', [
      {
        where: 'content-type',
        found: type === '' ? 'none' : type,
        allowed: 'application/cloudevents+json, application/cloudevents-batch+json, or ce- headers',
      },
    ])
  }
  if (isEnvelope && !isJson)
    throw malformed('content-type', type, 'the JSON format: application/cloudevents+json')
  const text = message.body.toString('utf8')
  if (isJson && text !== '') parseJson(text, 'body', mostBytes)
  const read = toEvents({ ...message.headers }, isJson || type.startsWith('text/') ? text : message.body)
  if (read.length > MOST_IN_BATCH)
    throw malformed('body', `${read.length} events`, `at most ${MOST_IN_BATCH}`)
  return read.map((event) => stamped(plain(event), caller, now))
}

function toEvents(
  headers: Record<string, string | string[] | undefined>,
  body: string | Buffer,
): CloudEvent<unknown>[] {
  try {
    const read = HTTP.toEvent<unknown>({ headers, body })
    const list = Array.isArray(read) ? read : [read]
    return list.map((event) => (event instanceof CloudEvent ? event : new CloudEvent(event)))
  } catch (error) {
    const isTheirs = error instanceof ValidationError || error instanceof TypeError
    const found = isTheirs ? error.message.split('\n', 1)[0]! : 'not understood'
    throw malformed('body', found.slice(0, 200), 'a CloudEvent 1.0 with id, source and type')
  }
}

/** Its attributes and data, without what a class adds. */
function plain(event: CloudEvent<unknown>): JsonObject {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- stringify makes nothing else
  return JSON.parse(JSON.stringify(event)) as JsonObject
}

/** Checks the attributes, and writes those that are Weir's. */
function stamped(event: JsonObject, caller: Caller, now: Millis): BusEvent {
  const attributes = Object.entries(event).filter(([name]) => !ENVELOPE.has(name))
  if (attributes.length > MOST_ATTRIBUTES) {
    throw malformed('attributes', `${attributes.length} of them`, `at most ${MOST_ATTRIBUTES}`)
  }
  for (const [name, value] of attributes) {
    if (!ATTRIBUTE.test(name)) throw malformed(name, 'no attribute name', 'lower case letters and digits')
    if (typeof value === 'object') throw malformed(name, 'no simple value', 'text, a number, true or false')
    if (String(value).length > LONGEST.attribute)
      throw malformed(name, 'too long', `${LONGEST.attribute} characters`)
  }
  const { id, source, type, subject, time } = event
  if (typeof id !== 'string' || id === '' || id.length > LONGEST.id) throw longer('id')
  if (typeof source !== 'string' || source === '' || source.length > LONGEST.source) throw longer('source')
  if (subject !== undefined && (typeof subject !== 'string' || subject.length > LONGEST.subject))
    throw longer('subject')
  if (typeof type !== 'string' || !eventType.safeParse(type).success) {
    throw malformed('type', 'no name of a type', eventType.meta()?.description ?? '')
  }
  if (type.startsWith(OWN_TYPES)) {
    throw new Refused('forbidden', `${OWN_TYPES}* are events of Weir itself`, [
      { where: 'type', found: type, allowed: `a type that does not begin with ${OWN_TYPES}` },
    ])
  }
  const correlation = event['correlationid'] ?? (caller.workflow === '' ? undefined : caller.workflow)
  return {
    ...event,
    specversion: '1.0',
    id,
    source,
    type,
    time: typeof time === 'string' ? time : new Date(now).toISOString(),
    sender: caller.agent,
    ...(correlation === undefined ? {} : { correlationid: correlation }),
  }
}

function longer(name: 'id' | 'source' | 'subject'): Refused {
  return malformed(name, 'missing or too long', `1 to ${LONGEST[name]} characters`)
}

/** An event of Weir itself: what happened (`weir.task.done`), to what, and its figures. */
export interface OwnEvent {
  readonly type: `weir.${string}`
  readonly subject?: string
  readonly correlationid?: string
  /** The Weir that saw it; absent = a step in the store, which is one whoever takes it. */
  readonly replica?: string
  readonly data: Json
}

/** As text for the log. */
export function ownEventText({ type, subject, correlationid, replica, data }: OwnEvent, now: Millis): string {
  const event: BusEvent = {
    specversion: '1.0',
    id: randomUUID(),
    source: SOURCE,
    type,
    time: new Date(now).toISOString(),
    sender: 'weir',
    ...(subject === undefined ? {} : { subject }),
    ...(correlationid === undefined || correlationid === '' ? {} : { correlationid }),
    ...(replica === undefined ? {} : { replica }),
    datacontenttype: 'application/json',
    data,
  }
  return JSON.stringify(event)
}
