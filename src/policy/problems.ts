/** What is wrong in a file, for the person who has to mend it: where, what stands there, what may stand there. */

export interface Place {
  readonly file: string
  /** From 1; 0 = the file as a whole. */
  readonly line: number
  readonly column: number
}

export interface Problem extends Place {
  /** A warning is told and changes nothing. */
  readonly severity: 'error' | 'warning'
  /** Keys from the root: `rules[0].then.hold`. */
  readonly path: string
  /** What was found, as a phrase. */
  readonly found: string
  /** What may stand there. */
  readonly allowed: string
  /** The known name that looks most like what was found. */
  readonly nearest?: string
  /** What to do about it. */
  readonly fix: string
}

export type Path = readonly (string | number)[]

/** A text with places: what `document.ts` makes of a file, or a flag or a variable that has no lines. */
export interface Source {
  readonly file: string
  /** Where the value (or the key itself) at `path` stands, or its nearest ancestor that exists. */
  place(path: Path, of?: 'key' | 'value'): Place
}

export interface Complaint {
  readonly found: string
  readonly allowed: string
  readonly nearest?: string | undefined
  readonly fix: string
  readonly severity?: 'error' | 'warning'
  /** Point at the key instead of its value. */
  readonly atKey?: boolean
}

/** A problem at `path` of `source`. */
export function problemAt(source: Source, path: Path, complaint: Complaint): Problem {
  const { found, allowed, nearest: close, fix, severity = 'error', atKey = false } = complaint
  const { file, line, column } = source.place(path, atKey ? 'key' : 'value')
  const where = { severity, file, line, column, path: pathText(path) }
  return close === undefined
    ? { ...where, found, allowed, fix }
    : { ...where, found, allowed, nearest: close, fix }
}

/** `policies/kyc.yaml:12:7: found; allowed: ...; nearest: ...; fix: ...`, on one line. */
export function formatProblem(problem: Problem): string {
  const place = problem.line > 0 ? `${problem.file}:${problem.line}:${problem.column}` : problem.file
  const parts = [`${place}: ${problem.severity === 'warning' ? 'warning: ' : ''}${problem.found}`]
  if (problem.allowed !== '') parts.push(`allowed: ${problem.allowed}`)
  if (problem.nearest !== undefined) parts.push(`nearest: ${problem.nearest}`)
  parts.push(`fix: ${problem.fix}`)
  return parts.join('; ')
}

/** By file, then by place, errors and warnings alike: the order in which a person reads. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => compare(a.file, b.file) || a.line - b.line || a.column - b.column)
}

export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error')
}

/** `rules[0].then.do`; '' for the root. */
export function pathText(path: Path): string {
  let text = ''
  for (const key of path) text += typeof key === 'number' ? `[${key}]` : text === '' ? key : `.${key}`
  return text
}

/** A value as it may be shown in one line: JSON, shortened, without control characters. */
export function show(value: unknown): string {
  if (value === undefined || value === null) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

export function listed(names: readonly string[]): string {
  return names.join(', ')
}

/** The known name within `within` edits of `name`; undefined when none is that close. */
export function nearest(name: string, known: Iterable<string>, within = 3): string | undefined {
  let best: string | undefined
  let least = Math.min(within, Math.max(1, Math.ceil(name.length / 2))) + 1
  for (const candidate of known) {
    const edits = distance(name.toLowerCase(), candidate.toLowerCase(), least)
    if (edits >= least) continue
    least = edits
    best = candidate
  }
  return best
}

/** Longer names have no neighbour: keeps the cost of a hostile file small. */
const LONGEST_NAME = 64

/**
 * Edits between two names: insertions, deletions, replacements and swaps of neighbours (optimal string alignment;
 * Damerau 1964). Twenty lines of our own: the policy room has no other need of a string library.
 */
export function distance(a: string, b: string, limit = Infinity): number {
  if (Math.abs(a.length - b.length) >= limit || a.length > LONGEST_NAME || b.length > LONGEST_NAME)
    return Infinity
  let before: number[] = []
  let above = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let cost = Math.min(
        (above[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (above[column - 1] ?? 0) + (same ? 0 : 1),
      )
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      if (swapped) cost = Math.min(cost, (before[column - 2] ?? 0) + 1)
      current.push(cost)
    }
    before = above
    above = current
  }
  return above[b.length] ?? 0
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
