/**
 * How names are shown in a journal: as they are, or as keyed hashes (HMAC-SHA256, cut short). A hash keeps what the
 * core reads from a name besides its identity, the class (`worker-17` and `worker-4` are of one kind): the class has
 * a hash of its own, in front. So a journal with hashed names replays to the same verdicts, as long as no policy
 * speaks of agents by name.
 */
import { createHmac } from 'node:crypto'
import { agentClass } from '../core/observe/agent-class.ts'
import { shownRoute } from '../shown-route.ts'

/** 32 bits: among the 256 routes of an upstream two segments collide with odds of 1 in 100,000. */
const SEGMENT_DIGITS = 8
/** 44 bits behind a zero, which keeps the hash from ever reading as a word; 32 bits of class in front. */
const NAME_DIGITS = 11
const CLASS_LETTERS = 8
/** No hex digit among them: the core folds runs of hex, and the class must stay. */
const LETTERS = 'ghijklmnopqrstuv'

/** Names remembered as text; forgotten all at once. About 3 MB. */
const REMEMBERED = 16_384
const LONGEST_REMEMBERED = 256

export interface ShownNames {
  /** The name of an agent, a workflow or a parent; one name is shown as one, whatever it names. */
  name(name: string): string
  /** A route: words that are no plain words of an API become `~1f3a9c07`. */
  route(route: string): string
}

export interface ShownOptions {
  readonly key: Buffer
  /** Agents, workflows and parents become keyed hashes. */
  readonly hashIds: boolean
  /** Routes are shown as they are. */
  readonly paths: boolean
}

export function createShownNames({ key, hashIds, paths }: ShownOptions): ShownNames {
  const hex = (kind: string, text: string, digits: number): string =>
    createHmac('sha256', key).update(`${kind}\0${text}`).digest('hex').slice(0, digits)
  const hidden = (part: string): string => `~${hex('segment', part, SEGMENT_DIGITS)}`
  const hashed = (name: string): string => {
    const kind = agentClass(name)
    const letters = hex('class', kind, CLASS_LETTERS).replace(/./g, (digit) => LETTERS[parseInt(digit, 16)]!)
    return kind === name ? letters : `${letters}-0${hex('name', name, NAME_DIGITS)}`
  }
  return {
    name: hashIds ? remembered(hashed) : asItIs,
    route: paths ? asItIs : remembered((route) => shownRoute(route, hidden)),
  }
}

function asItIs(text: string): string {
  return text
}

function remembered(make: (text: string) => string): (text: string) => string {
  const known = new Map<string, string>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    const made = make(text)
    if (text.length > LONGEST_REMEMBERED) return made
    if (known.size >= REMEMBERED) known.clear()
    known.set(text, made)
    return made
  }
}
