/**
 * Policy files from disk, and again when they change. A set is taken as a whole or not at all: while a new one is
 * refused, the last good one stays in force. Watches by `fs.watch` where it works, and by looking every other
 * second for what it misses: Kubernetes swaps a symlink beside the mounted files, network file systems say nothing.
 */
import { readdirSync, readFileSync, realpathSync, statSync, watch, type FSWatcher } from 'node:fs'
import { basename, dirname, extname, join, relative } from 'node:path'
import type { Millis } from '../core/model.ts'
import { compilePolicy, type Compiled, type CompileOptions, type PolicyFile } from './compile.ts'
import { LARGEST_BYTES, namedSource, readDocument } from './document.ts'
import { hasErrors, problemAt, sortProblems, type Problem } from './problems.ts'
import { policyFile } from './schema.ts'

/** One directory of policies; more is a wrong directory. */
const MOST_FILES = 256
const ENDINGS = new Set(['.yaml', '.yml'])
/** The look for changes that no event tells of (kubelet itself swaps about once a minute). */
const LOOK_EVERY_MS: Millis = 2000
/** Editors write a file in several steps. */
const SETTLE_MS: Millis = 100

export type LoadOptions = CompileOptions

/** Reads and compiles files and directories (their `*.yaml`, without subdirectories). Never throws. */
export function loadPolicies(paths: readonly string[], options: LoadOptions): Compiled {
  const problems: Problem[] = []
  const files: PolicyFile[] = []
  for (const file of policyPaths(paths, problems)) {
    const read = readPolicy(file)
    problems.push(...read.problems)
    if (read.file !== undefined) files.push(read.file)
  }
  const compiled = compilePolicy(files, options)
  const all = sortProblems([...problems, ...compiled.problems])
  if (!compiled.ok || hasErrors(all)) return { ok: false, problems: all }
  return { ...compiled, problems: all }
}

export interface WatchOptions extends LoadOptions {
  /** Every result of a reload: the next set, or why it was refused and the last one stays. */
  readonly onResult: (result: Compiled) => void
  /** The files as they were read last (`fingerprintOf`); absent = as they are now. */
  readonly since?: string
  readonly lookEveryMs?: Millis
}

export interface PolicyWatch {
  /** Reads now, whatever changed. */
  reload(): Compiled
  close(): void
}

/**
 * Watches `paths`; a reload happens only when a file really differs from what was read last, which `since` names: taken
 * before that reading, no change in between is lost.
 */
export function watchPolicies(paths: readonly string[], options: WatchOptions): PolicyWatch {
  const watchers: FSWatcher[] = []
  let seen = options.since ?? fingerprintOf(paths)
  let settling: NodeJS.Timeout | undefined

  const load = (print: string): Compiled => {
    seen = print
    const result = loadPolicies(paths, options)
    options.onResult(result)
    return result
  }
  const look = (): void => {
    const print = fingerprintOf(paths)
    if (seen !== print) load(print)
  }
  const soon = (): void => {
    settling ??= setTimeout(() => {
      settling = undefined
      look()
    }, SETTLE_MS)
    settling.unref()
  }

  for (const path of new Set(paths)) watchers.push(...watchersOf(path, soon))
  const timer = setInterval(look, options.lookEveryMs ?? LOOK_EVERY_MS)
  timer.unref()
  return {
    reload: () => load(fingerprintOf(paths)),
    close(): void {
      clearInterval(timer)
      clearTimeout(settling)
      for (const watcher of watchers) watcher.close()
    },
  }
}

export interface ReadPolicy {
  /** Absent when the file is refused. */
  readonly file?: PolicyFile
  readonly problems: readonly Problem[]
}

/** Reads one file of policies. */
export function readPolicy(file: string): ReadPolicy {
  let text: string
  try {
    const { size } = statSync(file)
    // A device or a wrong file is not read to its end; one byte more is enough for the reader to say so.
    text = size > LARGEST_BYTES ? ' '.repeat(LARGEST_BYTES + 1) : readFileSync(file, 'utf8')
  } catch (error) {
    return { problems: [unreadable(file, error)] }
  }
  return parsePolicy(shownPath(file), text)
}

/** `file` names the text for people, and its stem the rules. */
export function parsePolicy(file: string, text: string): ReadPolicy {
  const read = readDocument(file, text, policyFile)
  if (!read.ok) return { problems: read.problems }
  const stem = basename(file, extname(file))
  return { file: { stem, source: read.source, value: read.value }, problems: read.problems }
}

function policyPaths(paths: readonly string[], problems: Problem[]): string[] {
  const files: string[] = []
  for (const path of paths) {
    try {
      const found = statSync(path).isDirectory() ? policiesIn(path) : [path]
      files.push(...found)
    } catch (error) {
      problems.push(unreadable(path, error))
    }
  }
  if (files.length <= MOST_FILES) return [...new Set(files)]
  const complaint = {
    found: `${files.length} policy files`,
    allowed: `at most ${MOST_FILES}`,
    fix: 'name the files, or another directory',
  }
  problems.push(problemAt(namedSource(paths.join(', ')), [], complaint))
  return []
}

function policiesIn(directory: string): string[] {
  const names = readdirSync(directory)
  // A mounted ConfigMap also holds `..data` and `..2026_11_21`: not for us.
  const own = names.filter((name) => ENDINGS.has(extname(name)) && !name.startsWith('.'))
  return own.toSorted().map((name) => join(directory, name))
}

/** Changes whenever a file is written, replaced, added, removed, or reached by another symlink. */
export function fingerprintOf(paths: readonly string[]): string {
  const ignored: Problem[] = []
  const prints: string[] = []
  for (const file of policyPaths(paths, ignored)) {
    try {
      const { mtimeMs, size, ino } = statSync(file)
      prints.push(`${file} ${realpathSync(file)} ${mtimeMs} ${size} ${ino}`)
    } catch {
      prints.push(`${file} gone`)
    }
  }
  return prints.concat(ignored.map((problem) => problem.file)).join('\n')
}

function watchersOf(path: string, changed: () => void): FSWatcher[] {
  // The directory, not the file: editors replace a file, and a watcher of the old one hears nothing more.
  const directory = ENDINGS.has(extname(path)) ? dirname(path) : path
  try {
    const watcher = watch(directory, { persistent: false }, changed)
    watcher.on('error', () => watcher.close())
    return [watcher]
  } catch {
    return []
  }
}

/** As a person in the working directory would name it. */
function shownPath(path: string): string {
  const near = relative('', path)
  return near === '' || near.startsWith('..') ? path : near
}

function unreadable(path: string, error: unknown): Problem {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
  return problemAt(namedSource(shownPath(path)), [], {
    found: `cannot be read (${code})`,
    allowed: 'a policy file, or a directory of *.yaml files',
    fix: 'check the path and its permissions',
  })
}
