/** What the schema library complains about, in our words: which value, what may stand there, what to do. */
import type { z } from 'zod'
import {
  listed,
  nearest,
  pathText,
  problemAt,
  show,
  type Complaint,
  type Path,
  type Problem,
  type Source,
} from './problems.ts'
import { childOf, mapOf } from './shape.ts'

type Issue = z.core.$ZodIssue

/** Every issue as a problem at its place; `value` is what the file says, `schema` its root. */
export function issueProblems(
  issues: readonly Issue[],
  value: unknown,
  source: Source,
  schema: z.ZodType,
): Problem[] {
  return issues.flatMap((issue) => {
    if (issue.code === 'invalid_union') return issueProblems(innerIssues(issue, value), value, source, schema)
    const path = pathOf(issue)
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => problemAt(source, [...path, key], unknownKey(key, path, schema)))
    }
    const complaint = complain(issue, path, valueAt(value, path))
    return [problemAt(source, path, complaint)]
  })
}

/** Of "one value or a list": the issues of the form that the person meant. */
function innerIssues(issue: Extract<Issue, { code: 'invalid_union' }>, value: unknown): Issue[] {
  const written = valueAt(value, pathOf(issue))
  const wantsList = Array.isArray(written)
  const isListComplaint = (inner: readonly Issue[]): boolean =>
    inner.some((one) => one.code === 'invalid_type' && one.path.length === 0)
  const branch = wantsList ? issue.errors[0] : issue.errors.find((inner) => !isListComplaint(inner))
  const issues = branch ?? issue.errors[0] ?? []
  return issues.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
}

function unknownKey(key: string, path: Path, schema: z.ZodType): Complaint {
  const known = knownKeys(schema, path)
  const close = nearest(key, known)
  const parent = pathText(path)
  return {
    found: `unknown key ${show(key)}${parent === '' ? '' : ` in ${parent}`}`,
    allowed: listed(known),
    nearest: close,
    fix: close === undefined ? 'remove it' : `write ${show(close)}`,
    atKey: true,
  }
}

function complain(issue: Issue, path: Path, written: unknown): Complaint {
  const name = pathText(path)
  const subject = name === '' ? 'the file' : name
  if (issue.code === 'custom') return customComplaint(issue, subject, written)
  if (issue.code === 'invalid_key') {
    const allowed = allowedOf(issue.issues[0])
    return {
      found: `the name ${show(String(path.at(-1)))} in ${pathText(path.slice(0, -1))}`,
      allowed,
      fix: 'rename it',
      atKey: true,
    }
  }
  const allowed = allowedText(issue)
  if (name === '' && (written === undefined || written === null)) {
    return { found: 'an empty file', allowed, fix: 'write something into it' }
  }
  if (written === undefined || written === null) return missing(subject, allowed)
  return { found: `${subject} is ${show(written)}`, allowed, fix: 'change the value' }
}

function customComplaint(
  issue: Extract<Issue, { code: 'custom' }>,
  subject: string,
  written: unknown,
): Complaint {
  const allowed = allowedOf(issue)
  if (written === undefined || written === null) return missing(subject, allowed)
  const fix = issue.params?.['fix']
  if (typeof fix === 'string') return { found: `${subject} ${show(written)} ${issue.message}`, allowed, fix }
  const names = allowed.split(', ')
  const isChoice = names.every((name) => /^[a-z-]+$/.test(name))
  const close = isChoice && typeof written === 'string' ? nearest(written, names) : undefined
  return {
    found: `${subject} is ${issue.params?.['hidden'] === true ? 'not valid (not shown here)' : show(written)}`,
    allowed,
    nearest: close,
    fix: close === undefined ? (isChoice ? 'write one of them' : likeFix(issue)) : `write ${close}`,
  }
}

function likeFix(issue: Extract<Issue, { code: 'custom' }>): string {
  const example = issue.params?.['example']
  return typeof example === 'string' ? `write it like ${example}` : 'change the value'
}

function missing(subject: string, allowed: string): Complaint {
  return { found: `${subject} is missing`, allowed, fix: 'add it' }
}

function pathOf(issue: Issue): Path {
  return issue.path.map((key) => (typeof key === 'number' ? key : String(key)))
}

function allowedOf(issue: Issue | undefined): string {
  const allowed = issue?.code === 'custom' ? issue.params?.['allowed'] : undefined
  return typeof allowed === 'string' ? allowed : ''
}

const SHAPES: Readonly<Record<string, string>> = {
  object: 'a map of keys',
  array: 'a list',
  record: 'a map of names',
}

function allowedText(issue: Issue): string {
  if (issue.code === 'invalid_value') return listed(issue.values.map(String))
  if (issue.code === 'invalid_type') return SHAPES[issue.expected] ?? `a ${issue.expected}`
  if (issue.code === 'too_small') return `at least ${issue.minimum} entries`
  return issue.code === 'too_big' ? `at most ${issue.maximum} entries` : issue.message
}

export function valueAt(value: unknown, path: Path): unknown {
  let current = value
  for (const key of path) {
    if (typeof current !== 'object' || current === null || !Object.hasOwn(current, key)) return undefined
    current = Reflect.get(current, key)
  }
  return current
}

/** Names of the keys that the schema knows at `path`. */
function knownKeys(schema: z.ZodType, path: Path): string[] {
  let current: z.ZodType | undefined = schema
  for (const step of path) current = current === undefined ? undefined : childOf(current, step)
  return current === undefined ? [] : Object.keys(mapOf(current)?.shape ?? {})
}
