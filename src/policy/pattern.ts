/**
 * Patterns of policies: literals, `*` (a run inside one segment or one id) and a `**` tail (the rest of a path).
 * There are no regular expressions: one such pattern in a policy can stop a process for seconds (CWE-1333).
 * Matching goes through the text once from left to right and never looks back further than one literal.
 */
import type { Pattern } from '../core/policy.ts'

/** Bounds of one pattern; with them a match costs at most a few passes over the text. */
export const LONGEST_PATTERN = 256
export const MOST_WILDCARDS = 8

/** What is wrong with a pattern: `what` was found and what to write instead. */
export interface PatternFault {
  readonly what: string
  readonly fix: string
}

const AGENT_TEXT = /^[A-Za-z0-9._:*-]+$/
const UPSTREAM_TEXT = /^[a-z0-9*-]+$/
/** Characters that no normalised path holds and that every regular expression needs. */
const REGEX_LIKE = /[\^|\\[\]{}?()]|\$$|(?:^|\/)\.[*+]|[*+][*+]?\+/

export function agentPatternFault(text: string): PatternFault | undefined {
  return (
    sizeFault(text) ??
    regexFault(text) ??
    starsFault(text) ??
    (AGENT_TEXT.test(text)
      ? undefined
      : {
          what: 'has characters that no agent id has',
          fix: 'use letters, digits and . _ : - with * for a run',
        })
  )
}

export function upstreamPatternFault(text: string): PatternFault | undefined {
  return (
    sizeFault(text) ??
    regexFault(text) ??
    starsFault(text) ??
    (UPSTREAM_TEXT.test(text)
      ? undefined
      : { what: 'has characters that no upstream name has', fix: 'use a-z, 0-9 and - with * for a run' })
  )
}

export function pathPatternFault(text: string): PatternFault | undefined {
  const size = sizeFault(text) ?? regexFault(text)
  if (size !== undefined) return size
  if (!text.startsWith('/')) return { what: 'does not begin with /', fix: `write "/${text}"` }
  const segments = text.slice(1).split('/')
  const tail = segments.findIndex((segment) => segment.includes('**'))
  if (tail !== -1 && (tail !== segments.length - 1 || segments[tail] !== '**')) {
    return { what: 'has ** before its end', fix: 'use * for one segment, and /** only at the end' }
  }
  return undefined
}

/** Of an id or a name: `*` stands for any run of characters, also none. */
export function compileIdPattern(text: string): Pattern {
  if (text === '*') return () => true
  if (!text.includes('*')) return (candidate) => candidate === text
  return segmentMatcher(text)
}

/** Of a normalised path: `*` stays inside a segment, `/**` at the end takes the rest, also nothing. */
export function compilePathPattern(text: string): Pattern {
  if (text === '/**') return () => true
  if (!text.includes('*')) return (path) => path === text
  const open = text.endsWith('/**')
  const segments = (open ? text.slice(0, -3) : text).slice(1).split('/')
  if (open && segments.every((segment) => !segment.includes('*'))) {
    const prefix = text.slice(0, -3)
    return (path) => path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/')
  }
  const matchers = segments.map((segment) => (segment === '*' ? notEmpty : compileIdPattern(segment)))
  return (path) => matchSegments(matchers, open, path)
}

/** True if any of `patterns` is. */
export function anyOf(patterns: readonly Pattern[]): Pattern {
  const only = patterns[0]
  if (only !== undefined && patterns.length === 1) return only
  return (text) => {
    for (const pattern of patterns) if (pattern(text)) return true
    return false
  }
}

function matchSegments(matchers: readonly Pattern[], open: boolean, path: string): boolean {
  let start = 1
  for (let index = 0; index < matchers.length; index++) {
    if (start > path.length) return false
    const slash = path.indexOf('/', start)
    const end = slash === -1 ? path.length : slash
    if (matchers[index]?.(path.slice(start, end)) !== true) return false
    start = end + 1
  }
  return open || start > path.length
}

/** The literals between the stars, found one after the other: the leftmost place of each is always good enough. */
function segmentMatcher(pattern: string): Pattern {
  const literals = pattern.split('*')
  const head = literals[0] ?? ''
  const tail = literals.at(-1) ?? ''
  const middle = literals.slice(1, -1).filter((literal) => literal !== '')
  return (text) => {
    if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail))
      return false
    const end = text.length - tail.length
    let from = head.length
    for (const literal of middle) {
      const found = text.indexOf(literal, from)
      if (found === -1 || found + literal.length > end) return false
      from = found + literal.length
    }
    return true
  }
}

function notEmpty(text: string): boolean {
  return text !== ''
}

function sizeFault(text: string): PatternFault | undefined {
  if (text === '') return { what: 'is empty', fix: 'leave the key out to match everything' }
  if (text.length > LONGEST_PATTERN) {
    return { what: `has ${text.length} characters`, fix: `use at most ${LONGEST_PATTERN}` }
  }
  const stars = text.split('*').length - 1
  return stars > MOST_WILDCARDS
    ? { what: `has ${stars} wildcards`, fix: `use at most ${MOST_WILDCARDS}` }
    : undefined
}

function regexFault(text: string): PatternFault | undefined {
  const like = REGEX_LIKE.test(text) || text === '.*' || text === '.+'
  return like
    ? {
        what: 'looks like a regular expression',
        fix: 'write literals, * for a run inside a segment, /** at the end',
      }
    : undefined
}

function starsFault(text: string): PatternFault | undefined {
  return text.includes('**')
    ? { what: 'has ** in a name', fix: 'one * is enough: a name has no segments' }
    : undefined
}
