/**
 * Flags and variables of the environment, laid over what the file says, as one value for the schema. What came
 * from where is remembered, so that a problem names the flag or the variable and not a line that nobody wrote.
 */
import { namedSource } from './policy/document.ts'
import { readOtelVariables } from './otel-variables.ts'
import { problemAt, show, type Path, type Place, type Problem, type Source } from './policy/problems.ts'

/** As commander names them. */
export interface Flags {
  readonly config?: string
  readonly upstream?: readonly string[]
  readonly listen?: string
  readonly operator?: string
  readonly policies?: readonly string[]
  readonly logLevel?: string
  readonly accessLog?: boolean
  readonly auth?: string
  readonly journal?: string
  readonly board?: string
  readonly workers?: string
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Single settings by variable. Others that begin with WEIR_ are left alone: Kubernetes makes some of its own. */
const VARIABLES: readonly (readonly [name: string, path: Path])[] = [
  ['WEIR_LISTEN', ['listen']],
  ['WEIR_OPERATOR', ['operator', 'listen']],
  ['WEIR_OPERATOR_CONTROL', ['operator', 'control']],
  ['WEIR_AUTH', ['auth', 'mode']],
  ['WEIR_HASH_KEY', ['identity', 'hashKey']],
  ['WEIR_AGENT_HEADER', ['identity', 'agentHeader']],
  ['WEIR_LOG_LEVEL', ['log', 'level']],
  ['WEIR_ACCESS_LOG', ['log', 'access']],
  ['WEIR_JOURNAL', ['journal', 'dir']],
  ['WEIR_BOARD_REDIS', ['board', 'redis']],
  ['WEIR_BOARD_PASSWORD', ['board', 'password']],
  ['WEIR_WORKERS', ['workers']],
  ['WEIR_DRAIN', ['drain', 'max']],
  ['WEIR_DRAIN_DELAY', ['drain', 'delay']],
]

/** What is laid over the file, and where each of it came from. */
export class Overlay {
  readonly problems: Problem[] = []
  readonly #values: { readonly path: Path; readonly value: unknown; readonly from: string }[] = []

  constructor(flags: Flags, env: Environment) {
    for (const [name, path] of VARIABLES) this.#set(path, plain(env[name]), name)
    const otel = readOtelVariables(env)
    for (const { path, value, from } of otel.settings) this.#set(path, value, from)
    this.problems.push(...otel.problems)
    this.#upstreams(split(env['WEIR_UPSTREAMS']), 'WEIR_UPSTREAMS')
    this.#set(['policies'], split(env['WEIR_POLICIES']), 'WEIR_POLICIES')

    this.#set(['listen'], flags.listen, '--listen')
    this.#set(['operator', 'listen'], flags.operator, '--operator')
    this.#set(['auth', 'mode'], flags.auth, '--auth')
    this.#set(['board', 'redis'], flags.board, '--board')
    this.#set(['workers'], plain(flags.workers), '--workers')
    this.#set(['policies'], flags.policies, '--policies')
    this.#set(['log', 'level'], flags.logLevel, '--log-level')
    this.#set(['log', 'access'], flags.accessLog, '--access-log')
    this.#set(['journal', 'dir'], flags.journal, '--journal')
    this.#upstreams(flags.upstream, '--upstream')
  }

  /** The last word on `policies` was said here: paths are then relative to the working directory. */
  get hasPolicies(): boolean {
    return this.#values.some(({ path }) => path[0] === 'policies')
  }

  /** The same of `journal.dir`. */
  get hasJournal(): boolean {
    return this.#values.some(({ path }) => path[0] === 'journal')
  }

  /** A copy of `file` with the overlay on it. What is not a map stays as it is, for the schema to refuse. */
  over(file: unknown): unknown {
    let result: unknown = file ?? {}
    for (const { path, value } of this.#values) result = withValue(result, path, value)
    return result
  }

  /** `source`, but for what a flag or a variable said. */
  source(source: Source): Source {
    return {
      file: source.file,
      place: (path, of): Place => {
        const own = this.#values.findLast((entry) => entry.path.every((key, index) => key === path[index]))
        return own === undefined ? source.place(path, of) : namedSource(own.from).place(path)
      },
    }
  }

  #set(path: Path, value: unknown, from: string): void {
    if (value !== undefined) this.#values.push({ path, value, from })
  }

  #upstreams(pairs: readonly string[] | undefined, from: string): void {
    for (const pair of pairs ?? []) {
      const equals = pair.indexOf('=')
      const name = pair.slice(0, equals)
      if (equals > 0) this.#set(['upstreams', name], pair.slice(equals + 1), from)
      else {
        const complaint = {
          found: `${from} ${show(pair)}`,
          allowed: 'name=url',
          fix: 'write it like openai=https://api.openai.com',
        }
        this.problems.push(problemAt(namedSource(from), [], complaint))
      }
    }
  }
}

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::=([^}]*))?\}|\$\{/g

/** Puts variables in place of `${VAR}` and `${VAR:=default}` in every text of `value`; `$${` stands for `${`. */
export function interpolate(
  value: unknown,
  env: Environment,
  source: Source,
  problems: Problem[],
  path: Path = [],
): unknown {
  if (typeof value === 'string') return interpolateText(value, env, source, problems, path)
  if (Array.isArray(value))
    return value.map((item, index) => interpolate(item, env, source, problems, [...path, index]))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([key, item]) => [
    key,
    interpolate(item, env, source, problems, [...path, key]),
  ])
  return Object.fromEntries(entries)
}

function interpolateText(
  text: string,
  env: Environment,
  source: Source,
  problems: Problem[],
  path: Path,
): unknown {
  if (!text.includes('${')) return text
  let isMissing = false
  const result = text.replace(REFERENCE, (whole, name: string | undefined, fallback: string | undefined) => {
    if (whole === '$${') return '${'
    const value = name === undefined ? undefined : (env[name] ?? fallback)
    if (value !== undefined) return value
    isMissing = true
    const complaint =
      name === undefined
        ? {
            found: 'a ${ that is no reference',
            allowed: '${NAME} or ${NAME:=default}',
            fix: 'close it, or write $${ for the characters',
          }
        : {
            found: `variable ${name} is not set`,
            allowed: 'a variable of the environment',
            fix: `set it, or write \${${name}:=default}`,
          }
    problems.push(problemAt(source, path, complaint))
    return ''
  })
  if (isMissing) return null
  return plain(result)
}

/** A number or a yes/no that came as text. Long runs of digits are left: they are keys, not figures. */
function plain(text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined
  if (text === 'true' || text === 'false') return text === 'true'
  return /^-?\d{1,15}(\.\d{1,9})?$/.test(text) ? Number(text) : text
}

function split(text: string | undefined): string[] | undefined {
  const parts = text?.split(',').map((part) => part.trim())
  const named = parts?.filter((part) => part !== '')
  return named === undefined || named.length === 0 ? undefined : named
}

function withValue(target: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  const base: object | undefined =
    target === undefined || target === null ? {} : typeof target === 'object' ? target : undefined
  // `openai: https://...` in the file and a URL for it from outside: the newer URL, whole.
  if (base === undefined || Array.isArray(base)) return rest.length === 0 ? value : target
  const inner: unknown = Object.hasOwn(base, key) ? Reflect.get(base, key) : undefined
  const isLongUpstream = path.length === 1 && typeof value === 'string' && isMap(inner)
  return { ...base, [key]: isLongUpstream ? { ...inner, url: value } : withValue(inner, rest, value) }
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
