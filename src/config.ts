/**
 * What the operator wants, from `weir.yaml`, the environment (WEIR_*) and flags, the later beating the earlier:
 * checked as a whole, every problem at once, frozen. No port is bound before it is in order.
 */
import { createHash, randomBytes } from 'node:crypto'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { admissionConfig, type AdmissionConfig } from './admission-config.ts'
import { commonsConfig, type CommonsConfig } from './commons-config.ts'
import { configFile, type ConfigValue, type Endpoint, type UpstreamValue } from './config-schema.ts'
import { interpolate, Overlay, type Environment, type Flags } from './config-input.ts'
import { http2Config, tlsConfig } from './listener-config.ts'
import type { JournalOptions } from './journal/journal.ts'
import { LARGEST_BYTES, namedSource, readDocument } from './policy/document.ts'
import {
  formatProblem,
  hasErrors,
  problemAt,
  sortProblems,
  type Path,
  type Problem,
  type Source,
} from './policy/problems.ts'
import { guessDialect } from './proxy/guess-dialect.ts'
import type { ProxyOptions, UpstreamOptions } from './proxy/options.ts'
import type { RedisTarget } from './board/redis-board.ts'
import type { LogLevel } from './telemetry/log.ts'
import { deferralConfig, type DeferralConfig } from './deferral-config.ts'
import { identityConfig, type IdentityConfig } from './identity-config.ts'
import { signingConfig } from './signing-config.ts'
import type { OtlpOptions } from './telemetry/otlp/options.ts'

export { guessDialect } from './proxy/guess-dialect.ts'
export type { Flags } from './config-input.ts'

export interface Config {
  readonly proxy: ProxyOptions
  /** Undefined = nobody has to show anything, and no upstream's credential is put on here. */
  readonly identity: IdentityConfig | undefined
  readonly operator: {
    readonly listen: Endpoint
    /** The operator's listener may switch the mode of rules. */
    readonly control: boolean
  }
  /** Files and folders, absolute. */
  readonly policies: readonly string[]
  readonly log: { readonly level: LogLevel; readonly access: boolean }
  readonly metrics: { readonly agentCap: number }
  /** Undefined = nothing is exported. */
  readonly otlp: OtlpOptions | undefined
  /** Undefined = none is written. */
  readonly journal: JournalOptions | undefined
  /** Undefined = no Redis. */
  readonly board: RedisTarget | undefined
  readonly workers: number
  /** Undefined = nothing is deferred, and `do: defer` is refused. */
  readonly deferral: DeferralConfig | undefined
  /** Undefined = nobody may ask before a step. */
  readonly admission: AdmissionConfig | undefined
  /** Undefined = agents share nothing through Weir. */
  readonly commons: CommonsConfig | undefined
  readonly tables: { readonly agents: number; readonly workflows: number }
}

/** A mistake of the operator's; `message` is what to print: one line per problem, with its place. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly Problem[]

  constructor(problems: readonly Problem[]) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
  }
}

export interface ConfigSources {
  readonly flags?: Flags
  /** The process's own unless given. */
  readonly env?: Environment
  /** Where `weir.yaml` is looked for, and relative paths of flags begin. */
  readonly cwd?: string
}

export type ReadConfig =
  | { readonly ok: true; readonly config: Config; readonly file: string | undefined }
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly file: string | undefined }

const DEFAULT_FILE = 'weir.yaml'
/** Used when nobody names policies: it watches, and touches no call. */
const DEFAULT_POLICY = fileURLToPath(new URL('../policies/default.yaml', import.meta.url))

/** @throws ConfigError with every problem at once */
export function loadConfig(sources: ConfigSources = {}): Config {
  const read = readConfig(sources)
  if (read.ok) return read.config
  throw new ConfigError(read.problems)
}

/** Reads and checks; the problems in order of their places. */
export function readConfig(sources: ConfigSources = {}): ReadConfig {
  const { flags = {}, env = process.env, cwd = process.cwd() } = sources
  const overlay = new Overlay(flags, env)
  const named = flags.config ?? env['WEIR_CONFIG']
  const path = named ?? (existsSync(resolve(cwd, DEFAULT_FILE)) ? DEFAULT_FILE : undefined)
  const file = path === undefined ? undefined : { name: path, path: resolve(cwd, path) }
  const refuse = (problems: readonly Problem[]): ReadConfig => ({
    ok: false,
    file: file?.path,
    problems: sortProblems(problems),
  })

  const text = file === undefined ? { ok: true as const, text: '{}' } : readText(file)
  if (!text.ok) return refuse([...overlay.problems, text.problem])
  const read = readDocument(file?.name ?? 'command line', text.text, configFile, {
    rewrite: (value, source, problems) => overlay.over(interpolate(value, env, source, problems)),
    // Not what a variable put there: that may be a secret.
    shown: (value) => overlay.over(value),
    placed: (source) => overlay.source(file === undefined ? namedSource('command line') : source),
  })
  if (!read.ok || overlay.problems.length > 0) return refuse([...overlay.problems, ...read.problems])

  const base = file === undefined || overlay.hasPolicies ? cwd : dirname(file.path)
  const folder = file === undefined ? cwd : dirname(file.path)
  const problems = [...read.problems]
  const journalBase = file === undefined || overlay.hasJournal ? cwd : folder
  const isInCluster = env['KUBERNETES_SERVICE_HOST'] !== undefined
  const at = { source: read.source, base, journalBase, folder, problems, isInCluster, env }
  const config = resolveConfig(read.value, at)
  return hasErrors(problems) ? refuse(problems) : { ok: true, config, file: file?.path }
}

interface Resolving {
  readonly source: Source
  /** Policies are found from here. */
  readonly base: string
  /** The journal's directory is found from here. */
  readonly journalBase: string
  /** Other files are found from here. */
  readonly folder: string
  readonly problems: Problem[]
  /** This process is in a pod of Kubernetes. */
  readonly isInCluster: boolean
  readonly env: Environment
}

function resolveConfig(value: ConfigValue, to: Resolving): Config {
  checkListeners(value, to)
  const upstreams = Object.entries(value.upstreams ?? {}).map(([name, upstream]) =>
    upstreamOptions(name, upstream, to),
  )
  if (upstreams.length === 0) {
    to.problems.push(
      problemAt(to.source, ['upstreams'], {
        found: 'no upstream',
        allowed: 'at least one, by name',
        fix: 'add --upstream openai=https://api.openai.com, or `upstreams:` in weir.yaml',
      }),
    )
  }
  const { limits, hold, drain } = value
  const delay = drain.delay ?? (isLoopback(value.listen.host) ? 0 : 5000)
  return deepFreeze({
    proxy: {
      listen: value.listen,
      tls: tlsConfig(value.tls, {
        folder: to.folder,
        isLoopback: isLoopback(value.listen.host),
        report: (path, complaint) => to.problems.push(problemAt(to.source, path, complaint)),
      }),
      http2: http2Config(value.http2),
      upstreams,
      identity: { hashKey: hashKey(value.identity.hashKey), agentHeader: value.identity.agentHeader },
      limits: {
        headerBytes: limits.headerBytes,
        headerCount: limits.headerCount,
        urlBytes: limits.urlBytes,
        connections: limits.connections,
        headTimeoutMs: limits.headTimeout,
        bodyIdleMs: limits.bodyIdle,
        slowReaderMs: limits.slowReader,
        keepAliveMs: limits.keepAlive,
        upgrades: limits.upgrades,
        upgradeIdleMs: limits.upgradeIdle,
      },
      hold: { bodyBytes: hold.bodyBytes, totalBytes: hold.totalBytes, hopMs: hold.hop },
      drainMs: drain.max,
      drainDelayMs: delay,
    },
    identity: identityConfig(value, {
      folder: to.folder,
      upstreams: upstreams.map(({ name }) => name),
      isLoopback: isLoopback(value.listen.host),
      read: (path) => {
        const read = readText({ name: path, path })
        return read.ok ? read.text : undefined
      },
      report: (path, complaint) => to.problems.push(problemAt(to.source, path, complaint)),
    }),
    operator: value.operator,
    policies: value.policies?.map((path) => resolve(to.base, path)) ?? [DEFAULT_POLICY],
    log: value.log,
    metrics: { agentCap: value.metrics.agents },
    otlp: otlpOptions(value.otlp),
    journal: journalOptions(value.journal, to),
    board: redisTarget(value.board, value.identity.hashKey, to),
    workers: value.workers,
    deferral: deferralConfig(value.deferral, {
      folder: to.folder,
      upstreams: upstreams.map(({ name }) => name),
      workers: value.workers,
      isInCluster: to.isInCluster,
      read: (path) => {
        const read = readText({ name: path, path })
        return read.ok ? read.text : undefined
      },
      report: (path, complaint) => to.problems.push(problemAt(to.source, path, complaint)),
    }),
    admission: admissionConfig(value.admission),
    commons: commonsConfig(value.commons, {
      folder: to.folder,
      workers: value.workers,
      report: (path, complaint) => to.problems.push(problemAt(to.source, path, complaint)),
    }),
    tables: value.tables,
  })
}

function checkListeners(value: ConfigValue, to: Resolving): void {
  const { host, port } = value.listen
  if (!isLoopback(host) && value.auth === undefined) {
    to.problems.push(
      problemAt(to.source, ['listen'], {
        found: `agents may connect from other machines (${host}), and nothing says who may`,
        allowed:
          'a loopback address, `auth:` with keys, tokens or certificates, or `auth: { mode: none }` in plain words',
        fix: 'listen on 127.0.0.1, or add `auth: { keys: keys.yaml }` (docs/identity.md), or write `auth: { mode: none }` if the network itself keeps strangers out',
      }),
    )
  }
  if (port !== 0 && port === value.operator.listen.port && host === value.operator.listen.host) {
    to.problems.push(
      problemAt(to.source, ['operator', 'listen'], {
        found: `agents and operator share ${host}:${port}`,
        allowed: 'a listener of its own for each',
        fix: 'give the operator another port: agents must not reach it',
      }),
    )
  }
}

function upstreamOptions(name: string, given: UpstreamValue | URL, to: Resolving): UpstreamOptions {
  const value: UpstreamValue =
    given instanceof URL
      ? configFile.shape.upstreams.unwrap().valueType.options[0].parse({ url: given.href })
      : given
  return {
    name,
    url: value.url,
    dialect: value.dialect ?? guessDialect(name, value.url.hostname),
    connectTimeoutMs: value.connectTimeout,
    firstByteTimeoutMs: value.firstByteTimeout,
    idleTimeoutMs: value.idleTimeout,
    connections: value.connections,
    maxInFlight: value.maxInFlight,
    websocket: value.websocket,
    client: value.client,
    ca: value.ca === undefined ? undefined : authorities(name, value.ca, to),
    aws: signingConfig(value.aws, to.env, (complaint) =>
      to.problems.push(problemAt(to.source, ['upstreams', name, 'aws'], complaint)),
    ),
  }
}

function otlpOptions(value: ConfigValue['otlp']): OtlpOptions | undefined {
  const { enabled, endpoint, headers = {}, resource = {}, traces, metrics, sampleRatio } = value
  if (!enabled || endpoint === undefined || !(traces || metrics)) return undefined
  const serviceName = value.serviceName ?? String(resource['service.name'] ?? 'weir')
  return {
    endpoint,
    headers,
    traces,
    metrics,
    sampleRatio,
    intervalMs: value.interval,
    serviceName,
    resource,
  }
}

function journalOptions(value: ConfigValue['journal'], to: Resolving): JournalOptions | undefined {
  const { dir, maxFileBytes, maxTotalBytes, hashIds, paths } = value
  if (maxTotalBytes < 2 * maxFileBytes) {
    to.problems.push(
      problemAt(to.source, ['journal', 'maxTotalBytes'], {
        found: `${maxTotalBytes} bytes in all are less than two parts of ${maxFileBytes}`,
        allowed: 'at least twice maxFileBytes',
        fix: 'raise journal.maxTotalBytes, or lower journal.maxFileBytes',
      }),
    )
  }
  const key = value.keyFile === undefined ? undefined : journalKey(value.keyFile, to)
  if (dir === undefined) return undefined
  const directory = resolve(to.journalBase, dir)
  return { dir: directory, maxFileBytes, maxTotalBytes, hashIds, key: hashKey(key), paths }
}

function journalKey(path: string, to: Resolving): string | undefined {
  const read = readText({ name: path, path: resolve(to.folder, path) })
  const key = read.ok ? read.text.trim() : ''
  if (key.length >= 16 && key.length <= 1024) return key
  to.problems.push(
    problemAt(to.source, ['journal', 'keyFile'], {
      found: `journal.keyFile ${read.ok ? `holds ${key.length} characters` : read.problem.found}`,
      allowed: 'a file with a secret of 16 to 1024 characters',
      fix: 'check the path; `head -c 32 /dev/urandom | base64` makes a key',
    }),
  )
  return undefined
}

function redisTarget(
  value: ConfigValue['board'],
  secret: string | undefined,
  to: Resolving,
): RedisTarget | undefined {
  const { redis: url, mode, nodes = [], master, prefix } = value
  if (url === undefined) {
    if (nodes.length > 0) {
      const fix = 'name one of them as `redis: redis://host:port`'
      const complaint = { found: 'board.nodes without board.redis', allowed: 'both', fix }
      to.problems.push(problemAt(to.source, ['board', 'nodes'], complaint))
    }
    return undefined
  }
  const first = {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 6379 : Number(url.port),
  }
  const ca = value.ca === undefined ? undefined : pemFile('board.ca', ['board', 'ca'], value.ca, to)
  return {
    kind: mode,
    addresses: [first, ...nodes],
    master: mode === 'sentinel' ? master : undefined,
    username: value.username ?? decoded(url.username),
    password: value.password ?? decoded(url.password),
    database: Number(url.pathname.slice(1)),
    tls: url.protocol === 'rediss:' ? { ca } : undefined,
    prefix,
    secret: secret === undefined ? undefined : hashKey(secret),
  }
}

function decoded(text: string): string | undefined {
  return text === '' ? undefined : decodeURIComponent(text)
}

function authorities(name: string, path: string, to: Resolving): string | undefined {
  return pemFile(`upstreams.${name}.ca`, ['upstreams', name, 'ca'], path, to)
}

function pemFile(key: string, place: Path, path: string, to: Resolving): string | undefined {
  const report = (found: string): undefined => {
    const complaint = { found, allowed: 'a PEM file with certificates', fix: 'check the path and the file' }
    to.problems.push(problemAt(to.source, place, complaint))
  }
  const read = readText({ name: path, path: resolve(to.folder, path) })
  if (!read.ok) return report(`${key} ${read.problem.found}`)
  return read.text.includes('-----BEGIN CERTIFICATE-----') ? read.text : report(`${key} holds no certificate`)
}

function readText(file: {
  name: string
  path: string
}): { ok: true; text: string } | { ok: false; problem: Problem } {
  try {
    // What is too large is not read; the reader of the document says so.
    if (statSync(file.path).size > LARGEST_BYTES) return { ok: true, text: ' '.repeat(LARGEST_BYTES + 1) }
    return { ok: true, text: readFileSync(file.path, 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
    const complaint = {
      found: `cannot be read (${code})`,
      allowed: 'a file',
      fix: 'check the path and its permissions',
    }
    return { ok: false, problem: problemAt(namedSource(file.name), [], complaint) }
  }
}

/** Whether only this machine can reach it. Names other than `localhost` may point anywhere. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

function hashKey(secret: string | undefined): Buffer {
  return secret === undefined ? randomBytes(32) : createHash('sha256').update(secret).digest()
}

function deepFreeze<T>(value: T): T {
  // Buffers and URLs cannot or need not be frozen; nothing writes to them.
  const isPlain =
    Array.isArray(value) ||
    (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype)
  if (!isPlain) return value
  for (const inner of Object.values(value as object)) deepFreeze(inner)
  return Object.freeze(value)
}
