/**
 * `auth:`, `permissions:` and the credentials of upstreams, checked: who may call is said, and what is said can be kept.
 */
import { resolve } from 'node:path'
import type { ConfigValue, UpstreamValue } from './config-schema.ts'
import type { CertificateOptions } from './identity/certificates.ts'
import type { RemoteKeySet } from './identity/key-set.ts'
import { readKeys } from './identity/keys-file.ts'
import { ANONYMOUS, type Grant, type PermissionOptions } from './identity/permissions.ts'
import type { IssuerOptions } from './identity/tokens.ts'
import type { CredentialValue } from './identity/upstream-credentials.ts'
import type { AuthValue, PermissionsValue } from './identity-schema.ts'
import { compileIdPattern } from './policy/pattern.ts'
import type { Complaint, Path } from './policy/problems.ts'

export interface IssuerConfig {
  readonly options: IssuerOptions
  readonly jwks: { readonly file: string } | RemoteKeySet
}

export interface AuthConfig {
  readonly mode: 'required' | 'optional'
  /** Path of the file of keys; undefined = there are none. */
  readonly keys: string | undefined
  readonly issuers: readonly IssuerConfig[]
  readonly certificates: CertificateOptions | undefined
  readonly permissions: PermissionOptions
}

export interface IdentityConfig {
  /** Undefined = nobody has to show anything, and nobody is known. */
  readonly auth: AuthConfig | undefined
  /** Headers by upstream; those without one are not here. */
  readonly credentials: Readonly<Record<string, Readonly<Record<string, CredentialValue>>>>
}

export interface IdentityResolving {
  /** Relative paths begin here. */
  readonly folder: string
  readonly upstreams: readonly string[]
  /** Only this machine reaches the agents' port. */
  readonly isLoopback: boolean
  /** The text of a file; undefined = it cannot be read. */
  read(path: string): string | undefined
  report(path: Path, complaint: Complaint): void
}

const DEFAULT_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const
const DEFAULT_TOLERANCE_MS = 60_000

/** Undefined = nothing of it is configured: calls pay nothing for it. */
export function identityConfig(value: ConfigValue, to: IdentityResolving): IdentityConfig | undefined {
  const auth = authConfig(value.auth, value.permissions, to)
  const credentials: Record<string, Record<string, CredentialValue>> = {}
  for (const [name, upstream] of Object.entries(value.upstreams ?? {})) {
    if (upstream instanceof URL || upstream.credentials === undefined) continue
    credentials[name] = credentialsOf(upstream.credentials, to)
  }
  return auth === undefined && Object.keys(credentials).length === 0 ? undefined : { auth, credentials }
}

function authConfig(
  value: AuthValue | undefined,
  permissions: PermissionsValue | undefined,
  to: IdentityResolving,
): AuthConfig | undefined {
  const ways = [value?.keys, value?.tokens, value?.certificates].filter((way) => way !== undefined).length
  const isWanted = value !== undefined && value.mode !== 'none'
  if (value?.mode === 'none' && ways > 0) {
    to.report(['auth', 'mode'], {
      found: 'auth.mode none beside keys, tokens or certificates: nobody would look at them',
      allowed: 'required or optional',
      fix: 'leave mode out (then it is required), or remove the others',
    })
  }
  if (isWanted && ways === 0) {
    to.report(['auth'], {
      found: 'auth without a way to show who calls',
      allowed: 'keys, tokens or certificates; or `mode: none` in plain words',
      fix: '`weir keys new --file keys.yaml --agent NAME` makes a first key; then `auth: { keys: keys.yaml }`',
    })
  }
  if (permissions !== undefined && (!isWanted || ways === 0)) {
    to.report(['permissions'], {
      found: 'permissions without auth: they are for names that were proved, and nobody proves one',
      allowed: 'auth with keys, tokens or certificates',
      fix: 'add `auth:`, or remove `permissions:`',
      atKey: true,
    })
  }
  if (value === undefined || !isWanted || ways === 0) return undefined
  const { mode = 'required' } = value
  return {
    mode: mode === 'optional' ? 'optional' : 'required',
    keys: value.keys === undefined ? undefined : keysPath(value.keys, to),
    issuers: (value.tokens ?? []).map((token, index) => issuerOf(token, ['auth', 'tokens', index], to)),
    certificates: certificatesOf(value.certificates),
    permissions: permissionsOf(permissions, to),
  }
}

function keysPath(path: string, to: IdentityResolving): string {
  const file = resolve(to.folder, path)
  const text = to.read(file)
  const read = text === undefined ? undefined : readKeys(path, text)
  if (read?.ok === true) return file
  to.report(['auth', 'keys'], {
    found: read === undefined ? `auth.keys ${path} cannot be read` : (read.problems[0] ?? 'not in order'),
    allowed: 'a file of keys, which may be empty',
    fix: `\`weir keys new --file ${path} --agent NAME\` makes a first key`,
  })
  return file
}

function issuerOf(
  token: NonNullable<AuthValue['tokens']>[number],
  place: Path,
  to: IdentityResolving,
): IssuerConfig {
  const { issuer, audiences, jwks } = token
  const options: IssuerOptions = {
    issuer,
    audiences,
    algorithms: token.algorithms ?? DEFAULT_ALGORITHMS,
    toleranceMs: token.tolerance ?? DEFAULT_TOLERANCE_MS,
    claim: token.claim ?? 'sub',
    prefix: token.prefix ?? '',
    agents: token.agents ?? ['*'],
  }
  if (typeof jwks === 'string') return { options, jwks: { file: resolve(to.folder, jwks) } }
  let ca: string | undefined
  if (jwks.ca !== undefined) {
    ca = to.read(resolve(to.folder, jwks.ca))
    if (ca?.includes('-----BEGIN CERTIFICATE-----') !== true) {
      to.report([...place, 'jwks', 'ca'], {
        found: `the authorities of ${issuer} cannot be read, or hold no certificate`,
        allowed: 'a PEM file with certificates',
        fix: 'check the path and the file',
      })
    }
  }
  const tokenFile = jwks.tokenFile === undefined ? undefined : resolve(to.folder, jwks.tokenFile)
  return { options, jwks: { url: jwks.url, ca, tokenFile } }
}

function certificatesOf(value: AuthValue['certificates']): CertificateOptions | undefined {
  if (value === undefined) return undefined
  const { trustDomains, agents = ['*'], forwardedFrom = [] } = value
  return { trustDomains, agents, forwardedFrom }
}

function permissionsOf(value: PermissionsValue | undefined, to: IdentityResolving): PermissionOptions {
  const unlisted = value?.unlisted ?? (to.isLoopback ? 'allow' : 'deny')
  const groups = value?.groups ?? {}
  const grants = (value?.grants ?? []).map((grant, index) => {
    const place: Path = ['permissions', 'grants', index]
    for (const group of grant.groups ?? []) {
      if (group === ANONYMOUS || Object.hasOwn(groups, group)) continue
      to.report([...place, 'groups'], {
        found: `a grant for a group that is not there: ${group}`,
        allowed: [...Object.keys(groups), ANONYMOUS].join(', '),
        fix: 'add it to permissions.groups, or name another',
      })
    }
    if (grant.agents === undefined && grant.groups === undefined) {
      to.report(place, {
        found: 'a grant for nobody',
        allowed: 'agents, groups, or both',
        fix: "say whom it is for: agents: ['*'] is everybody who is known",
      })
    }
    for (const pattern of grant.upstreams ?? []) {
      if (to.upstreams.some(compileIdPattern(pattern))) continue
      to.report([...place, 'upstreams'], {
        found: `a grant for an upstream that is not there: ${pattern}`,
        allowed: to.upstreams.join(', '),
        fix: 'name a configured upstream',
      })
    }
    return grantOf(grant)
  })
  if (grants.length === 0 && unlisted === 'deny') {
    to.report(['auth'], {
      found: 'auth without permissions: every call would be refused, since a network denies by default',
      allowed: 'permissions.grants, or `permissions: { unlisted: allow }` in plain words',
      fix: "add `permissions: { grants: [{ agents: ['*'], upstreams: ['*'] }] }`, or less",
    })
  }
  return { unlisted, groups, grants }
}

function grantOf(grant: NonNullable<PermissionsValue['grants']>[number]): Grant {
  const { topics, state, tasks } = grant
  const topicsOf = isList(topics) ? { publish: topics, subscribe: topics } : (topics ?? {})
  const stateOf = isList(state) ? { read: state, write: state } : (state ?? {})
  // To decide for people is never given along the way.
  const tasksOf = isList(tasks) ? { create: tasks, claim: tasks, read: tasks, decide: [] } : (tasks ?? {})
  return {
    agents: grant.agents ?? [],
    groups: grant.groups ?? [],
    upstreams: grant.upstreams ?? [],
    methods: grant.methods,
    paths: grant.paths,
    publish: topicsOf.publish ?? [],
    subscribe: topicsOf.subscribe ?? [],
    readState: stateOf.read ?? [],
    writeState: stateOf.write ?? [],
    createTasks: tasksOf.create ?? [],
    claimTasks: tasksOf.claim ?? [],
    readTasks: tasksOf.read ?? [],
    decideTasks: tasksOf.decide ?? [],
    writeSchemas: grant.schemas ?? [],
    priority: grant.priority,
    concurrency: grant.concurrency ?? Infinity,
  }
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value)
}

function credentialsOf(
  configured: NonNullable<UpstreamValue['credentials']>,
  to: IdentityResolving,
): Record<string, CredentialValue> {
  const values = Object.entries(configured).map(([name, value]): [string, CredentialValue] =>
    typeof value === 'string'
      ? [name, { is: 'text', text: value }]
      : [name, { is: 'file', path: resolve(to.folder, value.file), prefix: value.prefix ?? '' }],
  )
  return Object.fromEntries(values)
}
