/**
 * Paths folded into few templates, for latency classes and sequence edges: `/v1/threads/thread_9fK...` is
 * `/v1/threads/*`. Names of models stay (`/v1/models/gemini-2.5-flash:generateContent`): they differ in speed.
 *
 * A segment is an id when it is a number, a UUID, longer than 64 characters, or has a run of letters and digits
 * that no name has: 16 with a digit, or 12 that change three times between letters and digits.
 */
import { RecentMap } from './recent-map.ts'

/** Every template beyond the limits. */
export const OTHER_ROUTE = '/**'

const DEEPEST = 8
const LONGEST_SEGMENT = 64
const LONGEST_RUN_OF_A_NAME = 15
const MIXED_RUN = 12
const MIXED_CHANGES = 3
const UUID_LENGTH = 36

/** Templates of one upstream: an API has some dozens; clients that invent paths share `OTHER_ROUTE`. */
const TEMPLATES_PER_UPSTREAM = 256
const REMEMBERED_PATHS = 2048
const LONGEST_REMEMBERED = 256

export class PathTemplates {
  readonly #known = new Set<string>()
  readonly #recent = new RecentMap<string>(REMEMBERED_PATHS)

  /** @param path normal form, without query */
  of(path: string): string {
    const recent = this.#recent.get(path)
    if (recent !== undefined) return recent
    const template = this.#limited(foldIds(path))
    if (path.length <= LONGEST_REMEMBERED) this.#recent.set(path, template)
    return template
  }

  #limited(template: string): string {
    if (this.#known.has(template)) return template
    if (this.#known.size >= TEMPLATES_PER_UPSTREAM) return OTHER_ROUTE
    this.#known.add(template)
    return template
  }
}

/** Ids become `*`, what is deeper than eight segments becomes `**`. */
export function foldIds(path: string): string {
  let template = ''
  let from = 1
  for (let depth = 0; from <= path.length; depth++) {
    if (depth === DEEPEST) return `${template}/**`
    let to = path.indexOf('/', from)
    if (to === -1) to = path.length
    template += `/${foldSegment(path.slice(from, to))}`
    from = to + 1
  }
  return template
}

/** Google's and A2A's custom verbs (`tasks/{id}:cancel`) stay beside a folded id. */
function foldSegment(segment: string): string {
  const verb = segment.lastIndexOf(':')
  if (verb <= 0 || isId(segment.slice(verb + 1))) return isId(segment) ? '*' : segment
  return isId(segment.slice(0, verb)) ? `*${segment.slice(verb)}` : segment
}

function isId(segment: string): boolean {
  const { length } = segment
  if (length > LONGEST_SEGMENT) return true
  let digits = 0
  let run = 0
  let runDigits = 0
  let changes = 0
  let before = ''
  for (let i = 0; i < length; i++) {
    const kind = kindOf(segment.charCodeAt(i))
    if (kind === '') {
      run = 0
      runDigits = 0
      changes = 0
    } else {
      run++
      if (kind === 'digit') {
        digits++
        runDigits++
      }
      if (before !== '' && before !== kind) changes++
      if (run > LONGEST_RUN_OF_A_NAME && runDigits > 0) return true
      if (run >= MIXED_RUN && changes >= MIXED_CHANGES) return true
    }
    before = kind
  }
  return length > 0 && (digits === length || isUuid(segment))
}

function kindOf(code: number): 'digit' | 'letter' | '' {
  if (code >= 0x30 && code <= 0x39) return 'digit'
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x7a ? 'letter' : ''
}

/** By its shape alone: 8-4-4-4-12. */
function isUuid(segment: string): boolean {
  if (segment.length !== UUID_LENGTH) return false
  return segment[8] === '-' && segment[13] === '-' && segment[18] === '-' && segment[23] === '-'
}
