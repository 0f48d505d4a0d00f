/**
 * Joins identity to the proxy and the commons: reads what the config names, follows its files and issuers, and tells the
 * operator, in one line every ten seconds at most, that callers were refused.
 */
import type { OperatorEventName, EventView } from './admin/views.ts'
import { ConfigError } from './config.ts'
import type { Millis, Trust, UpstreamIndex } from './core/model.ts'
import type { AuthConfig, IdentityConfig, IssuerConfig } from './identity-config.ts'
import { KeyRing } from './identity/api-key.ts'
import type { AuthCounts } from './identity/auth-counts.ts'
import { Certificates } from './identity/certificates.ts'
import { Gate } from './identity/gate.ts'
import { KeySet } from './identity/key-set.ts'
import { readKeys } from './identity/keys-file.ts'
import { Permissions } from './identity/permissions.ts'
import type { Issuer } from './identity/tokens.ts'
import { CREDENTIAL_HEADERS, UpstreamCredentials } from './identity/upstream-credentials.ts'
import { FileWatch, readSmallFile, type WatchedFile } from './identity/watched-file.ts'
import { namedSource } from './policy/document.ts'
import { problemAt } from './policy/problems.ts'
import type { Injected } from './proxy/injected-credentials.ts'
import { strippedNames } from './proxy/known-headers.ts'
import type { Log } from './telemetry/log.ts'

export interface IdentitySurroundings {
  /** Names by index. */
  readonly upstreams: readonly string[]
  readonly agentHeader: string
  /** Upstreams whose calls Weir signs. */
  readonly isSigned?: (upstream: UpstreamIndex) => boolean
  readonly clock: () => Millis
  readonly wall: () => number
  readonly random?: () => number
  readonly log: Log
  readonly onEvent?: (event: EventView) => void
  readonly lookEveryMs?: Millis
}

export interface IdentityMembership {
  /** Undefined = nobody has to show anything. */
  readonly gate: Gate | undefined
  /** Undefined = nothing is put on any call. */
  readonly injected: ((upstream: UpstreamIndex) => Injected | undefined) | undefined
  readonly reading: AuthReading | undefined
  may(
    caller: { readonly agent: string; readonly trust: Trust },
    action: { readonly do: string; readonly on: string },
  ): boolean
  /** The keys of issuers are asked for; waits for them a few seconds at most. */
  start(): Promise<void>
  stop(): Promise<void>
}

/** What metrics and the operator see. */
export interface AuthReading extends AuthCounts {
  readonly mode: 'required' | 'optional'
  readonly keys: number
  readonly rememberedTokens: number
  /** Files and issuers of which the last good state is in force. */
  readonly failing: number
  /** Seconds since the keys of an issuer were had, by issuer; Infinity = never. */
  readonly issuers: Readonly<Record<string, number>>
}

const TELL_EVERY_MS: Millis = 10_000

const NO_IDENTITY: IdentityMembership = {
  gate: undefined,
  injected: undefined,
  reading: undefined,
  may: () => true,
  start: () => Promise.resolve(),
  stop: () => Promise.resolve(),
}

/** @throws ConfigError when a file that the config names is not in order */
export function joinIdentity(
  config: IdentityConfig | undefined,
  around: IdentitySurroundings,
): IdentityMembership {
  if (config === undefined) return NO_IDENTITY
  const { log, upstreams, clock, wall } = around
  const files: WatchedFile[] = []
  const failing = new Set<string>()

  /** A file or an issuer that is in trouble keeps its last good state. */
  function report(what: string, problem: string | undefined): void {
    if (problem === undefined) {
      if (failing.delete(what)) log.info({ what }, 'identity: in order again')
      return
    }
    failing.add(what)
    log.limited(
      'error',
      'identity',
      { what, problem },
      'identity: refused, the last good state stays in force',
    )
  }

  const injected = upstreams.map((name, index) => {
    // What Weir signs itself holds no credential of its agent either, once agents show Weir theirs.
    const isSigned = config.auth !== undefined && around.isSigned?.(index) === true
    return injectedOf(name, config, around.agentHeader, files, isSigned)
  })
  const { auth } = config
  const gate = auth === undefined ? undefined : gateOf(auth)
  const issuers = (auth?.issuers ?? []).map((issuer) => issuerOf(issuer))
  const watch = new FileWatch(
    files.map((file) => ({ ...file, onLook: report })),
    around.lookEveryMs,
  )
  let told = 0
  let teller: NodeJS.Timeout | undefined

  function gateOf(given: AuthConfig): Gate {
    const made = new Gate(
      {
        mode: given.mode,
        wall,
        upstreams,
        isInjected: (upstream) => injected[upstream] !== undefined,
        certificates:
          given.certificates === undefined ? undefined : new Certificates(given.certificates, wall),
        random: around.random ?? Math.random,
      },
      new Permissions(given.permissions),
    )
    const { keys: path } = given
    if (path !== undefined) {
      const take = (text: string): void => {
        const read = readKeys(path, text)
        if (!read.ok) throw new Error(read.problems[0] ?? 'not in order')
        made.adoptKeys(new KeyRing(read.records))
      }
      takeFirst(path, take)
      files.push({ path, take })
    }
    return made
  }

  function issuerOf({ options, jwks }: IssuerConfig): Issuer {
    const remote = 'url' in jwks ? jwks : undefined
    const keySet = new KeySet(remote, {
      clock,
      onProblem: (problem) => report(options.issuer, problem),
      onChange: () => gate?.tokens?.forget(),
    })
    if ('file' in jwks) {
      const take = (text: string): void => keySet.take(text)
      takeFirst(jwks.file, take)
      files.push({ path: jwks.file, take })
    }
    return { options, keySet }
  }

  function tell(): void {
    const reading = counted(gate)
    const { refused, denied } = reading
    const grown = refused + denied - told
    if (grown === 0) return
    told += grown
    const last = gate?.lastDenied
    const who = last === undefined ? {} : { agent: last.agent, what: last.what }
    log.warn({ refused, denied, new: grown, ...who }, 'callers were refused')
    around.onEvent?.(refusedView({ refused, denied, grown }, wall()))
  }

  return {
    gate,
    injected: injected.every((one) => one === undefined) ? undefined : (upstream) => injected[upstream],
    get reading() {
      if (gate === undefined || auth === undefined) return undefined
      return {
        ...gate.counts,
        mode: auth.mode,
        keys: gate.keys?.size ?? 0,
        rememberedTokens: gate.tokens?.remembered ?? 0,
        failing: failing.size,
        issuers: Object.fromEntries(
          issuers.map(({ options, keySet }) => [options.issuer, keySet.ageMs / 1000]),
        ),
      }
    },
    may: (caller, action) => gate === undefined || gate.may(caller, action.do, action.on),
    async start() {
      watch.start()
      if (gate === undefined) return
      if (issuers.length > 0) {
        // Loaded only when it is wanted, as the libraries of other rooms are.
        const { Tokens } = await import('./identity/tokens.ts')
        gate.tokens = new Tokens(issuers, wall)
        await Promise.all(issuers.map(({ keySet }) => keySet.start()))
      }
      teller = setInterval(tell, TELL_EVERY_MS)
      teller.unref()
      log.info(
        { mode: auth?.mode, keys: gate.keys?.size ?? 0, issuers: issuers.length },
        'callers are checked',
      )
    },
    async stop() {
      watch.stop()
      clearInterval(teller)
      tell()
      await Promise.all(issuers.map(({ keySet }) => keySet.stop()))
    },
  }
}

function injectedOf(
  name: string,
  { credentials }: IdentityConfig,
  agentHeader: string,
  files: WatchedFile[],
  isSigned: boolean,
): Injected | undefined {
  const configured = credentials[name] ?? (isSigned ? {} : undefined)
  if (configured === undefined) return undefined
  const held = refusing(`upstreams.${name}.credentials`, () => new UpstreamCredentials(configured))
  files.push(...held.files)
  const stripped = new Set([
    ...strippedNames(agentHeader, true),
    ...CREDENTIAL_HEADERS,
    ...Object.keys(configured),
  ])
  return {
    stripped,
    get headers() {
      return held.headers
    },
  }
}

function takeFirst(path: string, take: (text: string) => void): void {
  refusing(path, () => take(readSmallFile(path)))
}

/** @throws ConfigError with the sentence of what `work` throws */
function refusing<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    const found = error instanceof Error ? error.message : 'not in order'
    const complaint = { found, allowed: 'a file that is in order', fix: 'check the path and the file' }
    throw new ConfigError([problemAt(namedSource(what), [], complaint)])
  }
}

function counted(gate: Gate | undefined): { readonly refused: number; readonly denied: number } {
  if (gate === undefined) return { refused: 0, denied: 0 }
  const { checks, denied } = gate.counts
  let refused = 0
  for (const { refused: some } of Object.values(checks)) refused += some
  return { refused, denied: Object.values(denied).reduce((sum, some) => sum + some, 0) }
}

function refusedView(
  { refused, denied, grown }: { readonly refused: number; readonly denied: number; readonly grown: number },
  now: number,
): EventView {
  const name: OperatorEventName = 'callers-refused'
  const text = `${grown} requests in 10 s were refused for who sent them (since the start: ${refused} not known, ${denied} not allowed)`
  return {
    name,
    time: new Date(now).toISOString(),
    upstream: '',
    readings: { new: grown, refused, denied },
    text,
  }
}
