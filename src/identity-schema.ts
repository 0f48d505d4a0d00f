/** The sections `auth:`, `permissions:` and `upstreams.*.credentials:` of the config; docs/identity.md explains them. */
import { z } from 'zod'
import { PRIORITIES } from './core/model.ts'
import { ALGORITHMS } from './identity/algorithms.ts'
import { isBlock } from './identity/certificates.ts'
import {
  choice,
  duration,
  glob,
  needed,
  oneOrMore,
  option,
  scalar,
  setting,
  text,
  whole,
} from './policy/fields.ts'
import { agentPatternFault, pathPatternFault, upstreamPatternFault } from './policy/pattern.ts'

/** RFC 9110 5.6.2, in lower case. */
const HEADER_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]{1,128}$/
/** Set by Weir and its HTTP client, or for one connection only. */
const NOT_A_CREDENTIAL =
  /^(?:host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|proxy-.*|via|weir[-_].*)$/

function path(): z.ZodType<string> {
  return text(4096, 'the path of a file')
}

function agents(): z.ZodType<readonly string[]> {
  return oneOrMore(glob('names of agents, * for a run of characters', agentPatternFault))
}

/** Types of events, kinds of tasks, subjects of schemas. */
function kinds(): z.ZodType<readonly string[]> {
  return oneOrMore(text(256, 'letters, digits and . _ / : - with * for a run', /^[A-Za-z0-9._/:*-]{1,256}$/))
}

function beginnings(): z.ZodType<readonly string[]> {
  return oneOrMore(text(256, 'the beginning of keys, or *', /^(?:\*|[A-Za-z0-9._:/-]{1,256})$/))
}

/** The address of keys decides who may call: only TLS, or this machine. */
function keySetUrl(): z.ZodType<URL> {
  return scalar({
    read: (value) => {
      if (typeof value !== 'string' || value.length > 2048 || !URL.canParse(value)) return undefined
      const url = new URL(value)
      const isPlain = url.username === '' && url.password === '' && url.hash === ''
      const isLocal = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)
      return isPlain && (url.protocol === 'https:' || (url.protocol === 'http:' && isLocal)) ? url : undefined
    },
    allowed: 'an https URL without credentials; http only to this machine',
    json: { type: 'string', format: 'uri', pattern: '^https?://' },
    hidden: true,
  })
}

const keySet = z.union([
  z.strictObject({
    url: needed(keySetUrl(), 'Where the issuer publishes its keys (JWKS).'),
    ca: option(text(4096, 'the path of a PEM file'), 'Extra trusted authorities.'),
    tokenFile: option(path(), 'A bearer token for that URL; of Kubernetes the one mounted into the pod.'),
  }),
  path(),
])

const token = z.strictObject({
  issuer: needed(text(1024, 'the `iss` of its tokens, letter for letter'), 'Who signs.'),
  audiences: needed(oneOrMore(text(1024)), 'The token is for one of these: a name that means this Weir.'),
  jwks: keySet.meta({
    allowed: 'the path of a JWKS file, or a map with url',
    description: 'Public keys of the issuer; a URL is asked at the start and every 10 minutes.',
  }),
  algorithms: setting(
    oneOrMore(choice(ALGORITHMS)),
    ['RS256', 'ES256', 'EdDSA'],
    'Signatures that count; never one with a shared secret.',
  ),
  claim: setting(
    text(128),
    'sub',
    'Names the agent; system:serviceaccount:NAMESPACE:NAME becomes NAMESPACE:NAME.',
  ),
  prefix: option(
    text(64, 'letters, digits and . _ : -', /^[A-Za-z0-9._:-]{1,64}$/),
    'Put before each name of this issuer, so that two issuers cannot mean the same agent.',
  ),
  agents: setting(agents(), '*', 'Names that it may vouch for, prefix included.'),
  tolerance: setting(duration('0s', '5m'), '60s', 'Between its clock and this one.'),
})

const certificates = z.strictObject({
  trustDomains: needed(
    oneOrMore(text(255, 'a trust domain in lower case', /^[a-z0-9._-]{1,255}$/)),
    'SPIFFE trust domains that count; the chain is checked by the TLS listener.',
  ),
  agents: setting(agents(), '*', 'Names that certificates may vouch for.'),
  forwardedFrom: option(
    oneOrMore(
      scalar({
        read: (value) => (typeof value === 'string' && isBlock(value) ? value : undefined),
        allowed: 'an address or a CIDR block',
        example: '10.0.0.0/8',
        json: { type: 'string' },
      }),
    ),
    'Proxies before Weir whose x-forwarded-client-cert counts; it is ignored from anybody else.',
  ),
})

export const authSection = z.strictObject({
  mode: option(
    choice(['required', 'optional', 'none']),
    'none = whoever reaches the port may call, under any name; required = only who shows a credential; optional = who shows nothing is anonymous. Absent = required, when there is a way to show one.',
  ),
  keys: option(
    text(4096, 'the path of a file'),
    'API keys, as `weir keys new` writes them; read again when the file changes.',
  ),
  tokens: z
    .array(token)
    .min(1)
    .max(16)
    .optional()
    .meta({ allowed: 'a list of issuers', description: 'JSON Web Tokens, by issuer.' }),
  certificates: certificates.optional().meta({ description: 'Client certificates with SPIFFE ids (mTLS).' }),
})

export type AuthValue = z.output<typeof authSection>

const both = (one: string, other: string): string => `for both, or a map with ${one} and ${other}`

const topics = z.union([
  z.strictObject({
    publish: option(kinds(), 'Types of events that it may publish.'),
    subscribe: option(kinds(), 'Types of events that it may read.'),
  }),
  kinds(),
])

const state = z.union([
  z.strictObject({
    read: option(beginnings(), 'Beginnings of keys that it may read.'),
    write: option(beginnings(), 'Beginnings of keys that it may write.'),
  }),
  beginnings(),
])

const tasks = z.union([
  z.strictObject({
    create: option(kinds(), 'Kinds of tasks that it may create.'),
    claim: option(kinds(), 'Capabilities for which it may take tasks.'),
    read: option(kinds(), 'Kinds of tasks that it may see; lists need *.'),
    decide: option(kinds(), 'Kinds of tasks that it may decide at the human gate, or end for others.'),
  }),
  kinds(),
])

const grant = z.strictObject({
  agents: option(agents(), 'Whom it is for.'),
  groups: option(
    oneOrMore(text(64, 'the name of a group, or anonymous')),
    'Groups that it is for; `anonymous` = who shows nothing.',
  ),
  upstreams: option(
    oneOrMore(glob('names of upstreams, * for a run of characters', upstreamPatternFault)),
    'Upstreams that they may call; absent = none.',
  ),
  methods: option(
    oneOrMore(text(32, 'a method in upper case, or *', /^(?:\*|[A-Z]{1,32})$/)),
    'Methods there; absent = all.',
  ),
  paths: option(
    oneOrMore(glob('a path, * for one segment, /** at the end for the rest', pathPatternFault)),
    'Paths there, without the base path; absent = all.',
  ),
  priority: option(choice(PRIORITIES), 'The most urgent that they may ask for; absent = any.'),
  concurrency: option(whole(1, 100_000), 'Calls of one agent at once; absent = any number.'),
  topics: topics.optional().meta({
    allowed: `types of events, * for a run; ${both('publish', 'subscribe')}`,
    description: 'Events of the commons; absent = none.',
  }),
  state: state.optional().meta({
    allowed: `beginnings of keys, * for all; ${both('read', 'write')}`,
    description: 'Documents of the commons; absent = none.',
  }),
  tasks: tasks.optional().meta({
    allowed: 'kinds, * for a run; for create, claim and read, or a map with create, claim, read and decide',
    description: 'Tasks of the commons; absent = none.',
  }),
  schemas: option(kinds(), 'Schemas that they may set: event/TYPE and state/PREFIX; absent = none.'),
})

export const permissionsSection = z.strictObject({
  unlisted: option(
    choice(['deny', 'allow']),
    'What an agent may do that no grant names: nothing, or everything. Absent = deny off loopback, else allow.',
  ),
  groups: z
    .record(text(64, 'a name of letters, digits, - and _', /^(?!anonymous$)[A-Za-z0-9_-]{1,64}$/), agents())
    .optional()
    .meta({
      allowed: 'by name: names of agents, * for a run of characters',
      description: 'Agents by group.',
    }),
  grants: z
    .array(grant)
    .max(1000)
    .optional()
    .meta({ allowed: 'a list of grants', description: 'A call needs one grant that allows all of it.' }),
})

export type PermissionsValue = z.output<typeof permissionsSection>

function headerValue(): z.ZodType<string> {
  return scalar({
    read: (value) =>
      typeof value === 'string' && /^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/.test(value)
        ? value
        : undefined,
    allowed: 'printable ASCII, best as ${VARIABLE}, or a map with file and prefix',
    json: { type: 'string', minLength: 1, maxLength: 4096 },
    hidden: true,
  })
}

const fromFile = z.strictObject({
  file: needed(path(), 'Read again when it changes.'),
  prefix: option(text(64, "what stands before it, such as 'Bearer '", /^[\x20-\x7e]{1,64}$/), 'Before it.'),
})

export const credentialsSection = z
  .record(
    scalar({
      read: (value) =>
        typeof value === 'string' && HEADER_NAME.test(value) && !NOT_A_CREDENTIAL.test(value)
          ? value
          : undefined,
      allowed: 'the name of a header in lower case',
      json: { type: 'string', pattern: '^[a-z0-9-]{1,128}$' },
    }),
    z.union([fromFile, headerValue()]),
  )
  .optional()
  .meta({
    allowed: 'by header: a value, best as ${VARIABLE}, or a map with file and prefix',
    description: 'Put on every call, in place of what the agent sent: agents hold none (docs/identity.md).',
  })
