/** Whether parsed JSON is a line of a journal: enough to keep nonsense out, cheap enough for every line. */
import { EVENTS, OUTCOMES, PRIORITIES, SETTLEMENTS, VERDICTS } from '../core/model.ts'
import { JOURNAL_VERSION, type JournalLine } from './line.ts'

type Fields = Readonly<Record<string, unknown>>

const OUTCOME: ReadonlySet<unknown> = new Set(OUTCOMES)
const PRIORITY: ReadonlySet<unknown> = new Set(PRIORITIES)
const SETTLEMENT: ReadonlySet<unknown> = new Set(SETTLEMENTS)
const VERDICT: ReadonlySet<unknown> = new Set(VERDICTS)
const EVENT: ReadonlySet<unknown> = new Set(EVENTS)
const INPUT: ReadonlySet<unknown> = new Set([
  'adopt',
  'drain',
  'pressure',
  'touch',
  'summary',
  'learn',
  'callers',
  'learn-callers',
])

export type Checked =
  | { readonly ok: true; readonly line: JournalLine }
  /** A kind that this version does not know: to be passed over. */
  | { readonly ok: true; readonly line: undefined }
  | { readonly ok: false; readonly reason: string }

const UNKNOWN: Checked = { ok: true, line: undefined }

export function checkLine(value: unknown): Checked {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong('not a JSON object')
  // Narrowed above; what its fields are is what this file finds out.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const fields = value as Fields
  const reason = faultOf(fields)
  if (reason === '') return UNKNOWN
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return reason === undefined ? { ok: true, line: value as JournalLine } : wrong(reason)
}

function wrong(reason: string): Checked {
  return { ok: false, reason }
}

/** undefined = none; '' = of a kind that is not known. */
function faultOf(line: Fields): string | undefined {
  switch (line['kind']) {
    case 'call':
      return callFault(line)
    case 'ticks':
      return pairs(line['ticks']) ? undefined : must('ticks', 'a list of pairs of numbers')
    case 'marks':
      if (!isIndex(line['slot'])) return must('slot', 'a whole number')
      return pairs(line['marks']) ? undefined : must('marks', 'a list of pairs of numbers')
    case 'event':
      return eventFault(line)
    case 'input':
      return inputFault(line)
    case 'gap':
      if (!isTime(line['at'])) return must('at', 'a number of ms')
      return isIndex(line['dropped']) ? undefined : must('dropped', 'a whole number')
    case 'journal':
      return headerFault(line)
    default:
      return typeof line['kind'] === 'string' ? '' : 'no "kind"'
  }
}

function headerFault(line: Fields): string | undefined {
  const version = line['version']
  if (!isIndex(version)) return must('version', 'a whole number')
  if (version > JOURNAL_VERSION)
    return `version ${version} of the format, written by a newer Weir; this one reads ${JOURNAL_VERSION}`
  const startedAt = line['startedAt']
  if (typeof startedAt !== 'string' || Number.isNaN(Date.parse(startedAt)))
    return must('startedAt', 'a date and time')
  const upstreams = line['upstreams']
  if (!Array.isArray(upstreams) || !upstreams.every((name) => typeof name === 'string'))
    return must('upstreams', 'a list of names')
  if (!isIndex(line['part'])) return must('part', 'a whole number')
  if (typeof line['run'] !== 'string') return must('run', 'text')
  const core = line['core']
  if (core !== undefined && !isCore(core)) return must('core', 'an object of seed, agents and workflows')
  return undefined
}

function isCore(core: unknown): boolean {
  if (typeof core !== 'object' || core === null) return false
  return ['seed', 'agents', 'workflows'].every((key) => isIndex(Reflect.get(core, key)))
}

/** In the order of the fields, each by one comparison: this runs for every call of a journal. */
function callFault(line: Fields): string | undefined {
  if (typeof line['id'] !== 'string') return must('id', 'text')
  if (!isTime(line['at'])) return must('at', 'a number of ms')
  const order = line['order']
  if (!Array.isArray(order) || order.length < 1 || order.length > 4 || !order.every(isIndex))
    return must('order', 'a list of 1 to 4 whole numbers')
  if (!isIndex(line['slot'])) return must('slot', 'a whole number')
  if (typeof line['upstream'] !== 'string') return must('upstream', 'text')
  if (typeof line['agent'] !== 'string' || line['agent'] === '') return must('agent', 'text')
  if (typeof line['method'] !== 'string') return must('method', 'text')
  if (typeof line['route'] !== 'string') return must('route', 'text')
  if (!PRIORITY.has(line['priority'])) return must('priority', PRIORITIES.join(', '))
  if (typeof line['family'] !== 'string') return must('family', 'text')
  if (typeof line['bytes'] !== 'number') return must('bytes', 'a number')
  if (typeof line['fingerprint'] !== 'number') return must('fingerprint', 'a number')
  const verdict = line['verdict']
  if (typeof verdict !== 'object' || verdict === null) return must('verdict', 'an object')
  if (!('do' in verdict) || !VERDICT.has(verdict.do)) return must('verdict.do', VERDICTS.join(', '))
  if (!('reason' in verdict) || typeof verdict.reason !== 'string') return must('verdict.reason', 'text')
  if (!isTime(line['endMs'])) return must('endMs', 'a number of ms')
  if (typeof line['status'] !== 'number') return must('status', 'a number')
  if (!OUTCOME.has(line['outcome'])) return must('outcome', OUTCOMES.join(', '))
  if (typeof line['bytesIn'] !== 'number' || typeof line['bytesOut'] !== 'number')
    return must('bytesIn and bytesOut', 'numbers')
  return stagesFault(line, order.length)
}

/** What happened must have its place in the order, or a replay could not tell which is which. */
function stagesFault(line: Fields, places: number): string | undefined {
  const { sentMs, headMs, settled } = line
  if (sentMs !== undefined && !isTime(sentMs)) return must('sentMs', 'a number of ms')
  if (headMs !== undefined && !isTime(headMs)) return must('headMs', 'a number of ms')
  if (settled !== undefined && !SETTLEMENT.has(settled)) return must('settled', SETTLEMENTS.join(', '))
  const stages =
    1 + Number(sentMs !== undefined) + Number(headMs !== undefined) + Number(settled !== undefined)
  if (places !== stages) return `"order" has ${places} places, and sentMs, headMs and settled need ${stages}`
  const { chunks, resent } = line
  if (chunks !== undefined && !pairs(chunks)) return must('chunks', 'a list of pairs of numbers')
  return resent === undefined || pairs(resent) ? undefined : must('resent', 'a list of pairs of numbers')
}

function eventFault(line: Fields): string | undefined {
  if (!isTime(line['at'])) return must('at', 'a number of ms')
  // A name that this version does not know is a newer event.
  if (typeof line['name'] !== 'string') return must('name', 'text')
  if (!EVENT.has(line['name'])) return ''
  if (typeof line['upstream'] !== 'string') return must('upstream', 'text')
  const { readings } = line
  return typeof readings === 'object' && readings !== null ? undefined : must('readings', 'an object')
}

function inputFault(line: Fields): string | undefined {
  if (!isIndex(line['order'])) return must('order', 'a whole number')
  if (!isTime(line['at'])) return must('at', 'a number of ms')
  if (typeof line['input'] !== 'string') return must('input', 'text')
  if (!INPUT.has(line['input'])) return ''
  const { value } = line
  return typeof value === 'number' || typeof value === 'string'
    ? undefined
    : must('value', 'a number or text')
}

function must(field: string, what: string): string {
  return `"${field}" must be ${what}`
}

/** JSON knows neither NaN nor Infinity. */
function isTime(value: unknown): value is number {
  return typeof value === 'number'
}

function isIndex(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && Number.isInteger(value)
}

function pairs(value: unknown): boolean {
  if (!Array.isArray(value) || value.length % 2 !== 0) return false
  return value.every((item) => typeof item === 'number')
}
