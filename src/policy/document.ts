/**
 * YAML text -> a checked value and the places of everything in it. A policy may come from anyone who can write
 * a ConfigMap: size and depth are bounded before the parser runs, aliases by the parser (its own guard against
 * alias bombs), keys by the schema.
 */
import {
  LineCounter,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  parseDocument,
  visit,
  type Document,
} from 'yaml'
import type { z } from 'zod'
import { issueProblems } from './issues.ts'
import { problemAt, type Complaint, type Path, type Place, type Problem, type Source } from './problems.ts'

/** Far above any policy that a person can read, far below what makes a parser slow. */
export const LARGEST_BYTES = 1024 * 1024
/** The format itself is 8 deep; yaml 2.9 needs seconds and then overflows the stack at 20,000. */
const DEEPEST = 32
const MOST_ALIASES = 100

export type Read<T> =
  | { readonly ok: true; readonly value: T; readonly source: Source; readonly problems: readonly Problem[] }
  | { readonly ok: false; readonly source: Source; readonly problems: readonly Problem[] }

export interface ReadOptions {
  /** Changes scalars before the schema sees them: `${VAR}` in the configuration. */
  readonly rewrite?: (value: unknown, source: Source, problems: Problem[]) => unknown
  /** What problems show in place of what the schema saw. */
  readonly shown?: (value: unknown) => unknown
  /** Another view of the places: values that came from elsewhere. */
  readonly placed?: (source: Source) => Source
}

/** Reads `text` as `schema`; with every problem that it has. `file` is the name for people. */
export function readDocument<T>(
  file: string,
  text: string,
  schema: z.ZodType<T>,
  options: ReadOptions = {},
): Read<T> {
  const early = tooLarge(text) ?? tooDeep(text)
  if (early !== undefined) return refused(early.at ?? 0, early.complaint, { file, text })

  const lines = new LineCounter()
  let document: Document.Parsed
  try {
    document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      // Its warnings go to stderr with text of the file; a key that is no text is told as one that nobody knows.
      logLevel: 'error',
      uniqueKeys: true,
      version: '1.2',
    })
  } catch {
    return refused(
      0,
      { found: 'YAML that the parser gives up on', allowed: 'plain YAML 1.2', fix: 'simplify the file' },
      { file, text },
    )
  }
  const own = sourceOf(file, document, lines)
  const source = options.placed?.(own) ?? own
  const faults = tellingFaults([...document.errors, ...document.warnings])
  if (faults.length > 0) {
    return { ok: false, source, problems: faults.map((fault) => yamlProblem(file, lines, fault)) }
  }

  const plain = toPlain(document, lines, source)
  if (!plain.ok) return { ok: false, source, problems: [plain.problem] }
  const problems: Problem[] = []
  const value = options.rewrite === undefined ? plain.value : options.rewrite(plain.value, own, problems)
  const parsed = schema.safeParse(value)
  if (parsed.success) return { ok: true, value: parsed.data, source, problems }
  const shown = options.shown === undefined ? plain.value : options.shown(plain.value)
  const told = new Set(problems.map((problem) => problem.path))
  const more = issueProblems(parsed.error.issues, shown, source, schema).filter(
    (problem) => !told.has(problem.path),
  )
  return { ok: false, source, problems: [...problems, ...more] }
}

/** A source without lines: flags and variables of the environment, named as the person wrote them. */
export function namedSource(name: string): Source {
  return { file: name, place: () => ({ file: name, line: 0, column: 0 }) }
}

interface Early {
  readonly at?: number
  readonly complaint: Complaint
}

function tooLarge(text: string): Early | undefined {
  const bytes = Buffer.byteLength(text)
  if (bytes <= LARGEST_BYTES) return undefined
  return {
    complaint: {
      found: `a file of ${bytes} bytes`,
      allowed: 'at most 1MiB',
      fix: 'split it into several files',
    },
  }
}

/**
 * An upper bound of the nesting, without parsing: indentation, leading `- ` and `? `, and open brackets. Text that
 * holds many brackets may be counted too high; no honest file comes near the bound.
 */
function tooDeep(text: string): Early | undefined {
  const indents: number[] = []
  let brackets = 0
  let start = 0
  while (start < text.length) {
    const newline = text.indexOf('\n', start)
    const end = newline === -1 ? text.length : newline
    let column = 0
    while (text[start + column] === ' ') column++
    if (start + column < end && text[start + column] !== '#' && brackets === 0) {
      while ((indents.at(-1) ?? -1) >= column) indents.pop()
      indents.push(column)
    }
    let leading = 0
    for (let at = start + column; /[-?]/.test(text[at] ?? '') && /[ \t]/.test(text[at + 1] ?? ''); at += 2)
      leading++
    for (let at = start + column; at < end; at++) {
      const letter = text[at]
      if (letter === '[' || letter === '{') brackets++
      else if (letter === ']' || letter === '}') brackets = Math.max(0, brackets - 1)
      if (indents.length + leading + brackets > DEEPEST) {
        const complaint = {
          found: `nesting deeper than ${DEEPEST} levels`,
          allowed: `at most ${DEEPEST}`,
          fix: 'flatten the file',
        }
        return { at, complaint }
      }
    }
    start = end + 1
  }
  return undefined
}

function refused(offset: number, complaint: Complaint, from: { file: string; text: string }): Read<never> {
  const before = from.text.slice(0, offset)
  const line = before.split('\n').length
  const place = { file: from.file, line, column: offset - before.lastIndexOf('\n') }
  const source: Source = { file: from.file, place: () => place }
  return { ok: false, source, problems: [problemAt(source, [], complaint)] }
}

const YAML_HINTS: Readonly<Record<string, Pick<Complaint, 'allowed' | 'fix'>>> = {
  DUPLICATE_KEY: { allowed: 'each key once', fix: 'remove or rename one of the two' },
  TAB_AS_INDENT: { allowed: 'spaces', fix: 'indent with spaces, two per level' },
  MULTIPLE_DOCS: { allowed: 'one document per file', fix: 'split the file at ---' },
  TAG_RESOLVE_FAILED: { allowed: 'plain values without tags', fix: 'remove the tag' },
  BAD_ALIAS: { allowed: 'an alias of an anchor above it', fix: 'check the name after *, or quote the text' },
}

/** A slip of syntax makes the parser complain about everything behind it: only its first complaint helps. */
function tellingFaults<T extends { code: string }>(faults: readonly T[]): T[] {
  const first = faults.find((fault) => YAML_HINTS[fault.code] === undefined || fault.code === 'TAB_AS_INDENT')
  return faults.filter(
    (fault) => fault === first || (YAML_HINTS[fault.code] !== undefined && fault.code !== 'TAB_AS_INDENT'),
  )
}

function yamlProblem(
  file: string,
  lines: LineCounter,
  fault: { code: string; message: string; pos: [number, number] },
): Problem {
  const { line, col } = lines.linePos(fault.pos[0])
  const { allowed, fix } = YAML_HINTS[fault.code] ?? {
    allowed: 'YAML 1.2',
    fix: 'check quotes, colons and indentation here; text with { } [ ] # or ": " needs quotes',
  }
  const found = `not valid YAML: ${fault.message.split('\n')[0] ?? fault.code}`
  return { severity: 'error', file, line, column: col, path: '', found, allowed, fix }
}

type Plain =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: Problem }

function toPlain(document: Document.Parsed, lines: LineCounter, source: Source): Plain {
  const prototype = prototypeKey(document)
  if (prototype !== undefined) {
    const complaint = {
      found: 'the key "__proto__"',
      allowed: 'names of the format',
      fix: 'remove it',
      atKey: true,
    }
    return { ok: false, problem: problemAt(source, prototype, complaint) }
  }
  try {
    return { ok: true, value: document.toJS({ maxAliasCount: MOST_ALIASES }) }
  } catch {
    const complaint = {
      found: `aliases that unfold to more than ${MOST_ALIASES} copies`,
      allowed: `at most ${MOST_ALIASES}`,
      fix: 'write the values out',
    }
    return { ok: false, problem: { ...problemAt(source, [], complaint), ...firstAlias(document, lines) } }
  }
}

function firstAlias(document: Document.Parsed, lines: LineCounter): { line: number; column: number } {
  let offset = 0
  visit(document, {
    Alias(_, alias) {
      offset = alias.range?.[0] ?? 0
      return visit.BREAK
    },
  })
  const { line, col } = lines.linePos(offset)
  return { line, column: col }
}

/** Objects would swallow this key without a word; the path leads to the map that holds it. */
function prototypeKey(document: Document.Parsed): Path | undefined {
  let found: Path | undefined
  visit(document, {
    Pair(_, pair, ancestors) {
      if (!isScalar(pair.key) || pair.key.value !== '__proto__') return undefined
      const keys = ancestors.flatMap((node) =>
        isPair(node) && isScalar(node.key) ? [String(node.key.value)] : [],
      )
      found = [...keys, '__proto__']
      return visit.BREAK
    },
  })
  return found
}

function sourceOf(file: string, document: Document.Parsed, lines: LineCounter): Source {
  const placeOf = (node: unknown): Place => {
    const { line, col } = lines.linePos(isNode(node) ? (node.range?.[0] ?? 0) : 0)
    return { file, line: Math.max(1, line), column: Math.max(1, col) }
  }
  return {
    file,
    place(path: Path, of: 'key' | 'value' = 'value'): Place {
      let node: unknown = document.contents
      let shown = node
      for (const [index, step] of path.entries()) {
        if (isAlias(node)) node = node.resolve(document)
        const child = childOf(node, step)
        if (child === undefined) break
        node = child.value
        const last = index === path.length - 1
        shown = (last && of === 'key') || child.value === null ? child.key : child.value
      }
      return placeOf(shown)
    },
  }
}

function childOf(node: unknown, step: string | number): { key: unknown; value: unknown } | undefined {
  if (isSeq(node)) {
    const item = typeof step === 'number' ? node.items[step] : undefined
    return item === undefined ? undefined : { key: item, value: item }
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step))
  return pair === undefined ? undefined : { key: pair.key, value: pair.value }
}
