/** The format of `weir.yaml`: keys, defaults, ranges and sentences. Sources of the numbers: the acceptance table. */
import { z } from 'zod'
import { authSection, credentialsSection, permissionsSection } from './identity-schema.ts'
import { http2Section, tlsSection } from './listener-schema.ts'
import { awsSection } from './signing-config.ts'
import { choice, duration, flag, preset, scalar, share, size, text, whole } from './policy/fields.ts'
import { NAME, NAME_ALLOWED } from './policy/schema.ts'
import { CLIENTS, DIALECTS } from './proxy/options.ts'
import { LOG_LEVELS } from './telemetry/log.ts'

/** Of `weir.yaml`; a change that would make an old file mean something else raises it. */
const CONFIG_VERSION = 1

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`. */
export function endpoint(): z.ZodType<Endpoint> {
  return scalar({
    read: (value) => (typeof value === 'string' ? parseEndpoint(value) : undefined),
    allowed: 'host:port',
    example: '127.0.0.1:8080 or [::1]:8080',
    json: { type: 'string', pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9.-]+):[0-9]{1,5}$' },
  })
}

export function parseEndpoint(value: string): Endpoint | undefined {
  const parts =
    value.length > 300 ? null : /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/.exec(value)
  const port = Number(parts?.[3])
  const host = parts?.[1] ?? parts?.[2]
  return host === undefined || port > 65_535 ? undefined : { host, port }
}

/** An upstream's address. Credentials in it would end in logs, a query would be lost: both are refused. */
export function upstreamUrl(): z.ZodType<URL> {
  return scalar({
    read: (value) => {
      if (typeof value !== 'string' || value.length > 2048 || !URL.canParse(value)) return undefined
      const url = new URL(value)
      const isPlain = url.username === '' && url.password === '' && url.search === '' && url.hash === ''
      return isPlain && (url.protocol === 'https:' || url.protocol === 'http:') ? url : undefined
    },
    allowed: 'an http or https URL without credentials, query or fragment',
    json: { type: 'string', format: 'uri', pattern: '^https?://' },
    hidden: true,
  })
}

/** At least 16 characters that only the operator knows. */
function secret(): z.ZodType<string> {
  return scalar({
    read: (value) =>
      typeof value === 'string' && value.length >= 16 && value.length <= 1024 ? value : undefined,
    allowed: 'a secret of 16 to 1024 characters, best as ${VARIABLE}',
    json: { type: 'string', minLength: 16, maxLength: 1024 },
    hidden: true,
  })
}

/** A map all of whose keys have defaults, so that `empty` is enough of it. */
function section<O, I>(sentence: string, empty: I, kind: z.ZodType<O, I>): z.ZodPrefault<z.ZodType<O, I>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a map is never undefined
  return z.prefault(kind, () => empty as z.core.util.NoUndefined<I>).meta({ description: sentence })
}

/** A segment of the path that agents call; `/weir/...` is Weir's own. */
const UPSTREAM_NAME = new RegExp(`^(?!weir$)${NAME.source.slice(1)}`)

const upstream = z.strictObject({
  url: upstreamUrl().meta({
    description: 'Origin, and a base path if there is one. Nothing that a client sends changes it.',
  }),
  dialect: choice(DIALECTS)
    .optional()
    .meta({
      allowed: DIALECTS.join(', '),
      description: 'Whose error bodies its clients understand; guessed from name and host when absent.',
    }),
  connectTimeout: preset(duration('100ms', '60s'), '5s', 'Until a connection stands.'),
  firstByteTimeout: preset(duration('1s', '1h'), '300s', 'Silence before the response head; then 504.'),
  idleTimeout: preset(duration('1s', '1h'), '300s', 'Silence between two chunks of a response.'),
  connections: preset(whole(1, 10_000), 128, 'Connections at once.'),
  maxInFlight: preset(whole(1, 100_000), 1024, 'Calls at once, whatever the policies say.'),
  websocket: preset(flag(), true, 'WebSocket upgrades are forwarded.'),
  client: preset(choice(CLIENTS), 'wire', 'Which HTTP/1.1 client carries its calls: docs/performance.md.'),
  ca: text(4096).optional().meta({
    allowed: 'the path of a PEM file',
    description: 'Extra trusted authorities; verification itself cannot be switched off.',
  }),
  credentials: credentialsSection,
  aws: awsSection.optional().meta({
    description: 'Weir signs the calls for AWS (SigV4), such as for Bedrock: docs/protocols.md.',
  }),
})

export type UpstreamValue = z.output<typeof upstream>

const upstreams = z
  .record(
    text(63, `${NAME_ALLOWED}; weir itself is reserved`, UPSTREAM_NAME),
    z.union([upstream, upstreamUrl()]),
  )
  .optional()
  .meta({
    description: 'By name: a URL, or a map. The name is the first segment of the path that agents call.',
  })

const limits = z.strictObject({
  headerBytes: preset(size('1KiB', '1MiB'), '32KiB', 'All request headers together; then 431.'),
  headerCount: preset(whole(10, 10_000), 100, 'Request headers; then 431.'),
  urlBytes: preset(size('256B', '64KiB'), '8KiB', 'Request target; then 414.'),
  connections: preset(whole(1, 1_000_000), 10_000, 'Connections of agents at once.'),
  headTimeout: preset(duration('1s', '5m'), '10s', 'Until the request head is complete; then 408.'),
  bodyIdle: preset(duration('1s', '1h'), '60s', 'Silence between two reads of a request body.'),
  slowReader: preset(duration('1s', '1h'), '60s', 'A client that does not read its answer is cut.'),
  keepAlive: preset(duration('1s', '1h'), '75s', 'An idle connection stays open for the next request.'),
  upgrades: preset(whole(0, 1_000_000), 1000, 'WebSockets at once.'),
  upgradeIdle: preset(duration('1s', '24h'), '300s', 'Silence on a WebSocket in both directions.'),
})

const hold = z.strictObject({
  bodyBytes: preset(size('0B', '64MiB'), '1MiB', 'A larger request body cannot be held.'),
  totalBytes: preset(size('0B', '16GiB'), '256MiB', 'Bodies held at once, of all upstreams.'),
  hop: preset(
    duration('1s', '5m'),
    '40s',
    'Length of one hop of a hold; below the idle timeout of balancers in between.',
  ),
})

const drain = z.strictObject({
  max: preset(
    duration('0s', '1h'),
    '55s',
    'All calls have ended by then after SIGTERM; what has not is cut.',
  ),
  delay: duration('0s', '5m').optional().meta({
    allowed: 'a duration from 0s to 5m',
    description: 'Between not ready and not listening, for balancers to notice; 0s on loopback, else 5s.',
  }),
})

/** RFC 9110 5.6.2. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/
/** Names of resource attributes: words with dots between them. */
const ATTRIBUTE_NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,127}$/

/** A header's value, which may be a credential. */
function headerValue(): z.ZodType<string> {
  return scalar({
    read: (value) => (typeof value === 'string' && /^[\x20-\x7e]{1,4096}$/.test(value) ? value : undefined),
    allowed: 'printable ASCII, best as ${VARIABLE}',
    json: { type: 'string', minLength: 1, maxLength: 4096 },
    hidden: true,
  })
}

function attributeValue(): z.ZodType<string | number | boolean> {
  return scalar({
    read: (value) => {
      if (typeof value === 'string') return value.length <= 1024 ? value : undefined
      return typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))
        ? value
        : undefined
    },
    allowed: 'text, a number, or true or false',
    json: { type: ['string', 'number', 'boolean'], maxLength: 1024 },
  })
}

const otlp = z.strictObject({
  enabled: preset(flag(), true, 'false = nothing is exported, endpoint or not.'),
  endpoint: upstreamUrl().optional().meta({
    allowed: 'an http or https URL without credentials, query or fragment',
    description:
      'Base of an OTLP/HTTP collector, mostly port 4318; /v1/traces and /v1/metrics come behind it. Absent = no export.',
  }),
  headers: z
    .record(text(128, 'a header name', HEADER_NAME), headerValue())
    .optional()
    .meta({ allowed: 'by name: printable ASCII', description: 'Sent with every export: credentials.' }),
  traces: preset(flag(), true, 'Spans of calls are exported.'),
  metrics: preset(flag(), true, 'The metrics are exported.'),
  sampleRatio: preset(
    share(0, 1),
    1,
    'Part of the calls without a trace of their own that are traced; others follow the flag of their traceparent.',
  ),
  interval: preset(duration('1s', '1h'), '60s', 'Between two exports of the metrics.'),
  serviceName: text(255).optional().meta({
    allowed: 'one line of at most 255 characters',
    description: '`service.name` of the resource; absent = what `resource` says, else weir.',
  }),
  resource: z
    .record(text(128, 'an attribute name', ATTRIBUTE_NAME), attributeValue())
    .optional()
    .meta({
      allowed: 'by name: text, a number, or true or false',
      description: 'Attributes of the resource, such as deployment.environment.name.',
    }),
})

const journal = z.strictObject({
  dir: text(4096).optional().meta({
    allowed: 'the path of a directory',
    description: 'Where the parts go, from the folder of this file; absent = no journal.',
  }),
  maxFileBytes: preset(size('64KiB', '16GiB'), '64MiB', 'Then the next part begins.'),
  maxTotalBytes: preset(
    size('128KiB', '4096GiB'),
    '1GiB',
    'All parts of the directory together: the oldest ones are removed.',
  ),
  hashIds: preset(flag(), false, 'Agents, workflows and parents are written as keyed hashes.'),
  keyFile: text(4096).optional().meta({
    allowed: 'the path of a file of 16 to 1024 bytes',
    description: 'Key of those hashes and of what stands for parts of routes; absent = random per run.',
  }),
  paths: preset(flag(), false, 'Paths are written as they came, ids and all.'),
})

/** A Redis server; unlike an upstream's address it may hold credentials, as every client writes it so. */
function redisUrl(): z.ZodType<URL> {
  return scalar({
    read: (value) => {
      if (typeof value !== 'string' || value.length > 2048 || !URL.canParse(value)) return undefined
      const url = new URL(value)
      const isRedis = url.protocol === 'redis:' || url.protocol === 'rediss:'
      return isRedis && url.hostname !== '' && /^(\/\d{0,3})?$/.test(url.pathname) ? url : undefined
    },
    allowed: 'redis://host:port or rediss://host:port (TLS), with user:password@ and /database if need be',
    json: { type: 'string', pattern: '^rediss?://' },
    hidden: true,
  })
}

const board = z.strictObject({
  redis: redisUrl().optional().meta({
    allowed: 'redis://host:port or rediss://host:port',
    description: 'A Redis 7 or Valkey server, with TLS as rediss. Absent = no board, but between workers.',
  }),
  mode: preset(choice(['single', 'cluster', 'sentinel']), 'single', 'What the addresses are.'),
  nodes: z.array(endpoint()).min(1).max(64).optional().meta({
    allowed: 'a list of host:port',
    description: 'More nodes of the cluster, or more sentinels, beside the one in `redis`.',
  }),
  master: preset(text(128), 'mymaster', 'Name of the master that the sentinels watch.'),
  username: text(256).optional().meta({
    allowed: 'the name of an ACL user',
    description: 'Beats the one in `redis`; it needs EVALSHA, EVAL, and the keys under `prefix`.',
  }),
  password: headerValue().optional().meta({
    allowed: 'printable ASCII, best as ${VARIABLE}',
    description: 'Beats the one in `redis`.',
  }),
  ca: text(4096).optional().meta({
    allowed: 'the path of a PEM file',
    description: 'Extra trusted authorities; verification itself cannot be switched off.',
  }),
  prefix: preset(
    text(64, 'letters, digits, . _ : -', /^[A-Za-z0-9._:-]{1,64}$/),
    'weir',
    'Before every key; one for each fleet that shares a server.',
  ),
})

const deferral = z.strictObject({
  store: preset(
    choice(['none', 'lmdb', 'redis']),
    'none',
    'Where calls that are answered later are kept: nowhere, on the disk of this machine, or in Redis.',
  ),
  dir: text(4096).optional().meta({
    allowed: 'the path of a directory',
    description:
      'lmdb: a directory on a local disk that lasts, from the folder of this file; one process each.',
  }),
  volatile: preset(flag(), false, 'lmdb: the directory may be one that goes with the container. For trials.'),
  redis: redisUrl().optional().meta({
    allowed: 'redis://host:port or rediss://host:port',
    description:
      'redis: a Redis 7 or Valkey server with `appendonly yes`; Weirs with the same one share the calls.',
  }),
  prefix: preset(
    text(64, 'letters, digits, . _ : -', /^[A-Za-z0-9._:-]{1,64}$/),
    'weir-deferred',
    'redis: before every key.',
  ),
  keyFiles: z.array(text(4096)).min(1).max(16).optional().meta({
    allowed: 'a list of paths of files with a secret of 32 to 1024 characters',
    description: 'Keys of what is kept, which is always sealed: the first one seals, the others only open.',
  }),
  credentials: z
    .record(
      text(63, NAME_ALLOWED, UPSTREAM_NAME),
      z.record(text(128, 'a header name', HEADER_NAME), headerValue()),
    )
    .optional()
    .meta({
      allowed: 'by upstream: headers by name',
      description: "Put on calls as they are run; then the agents' own credentials are not kept at all.",
    }),
  maxCalls: preset(whole(1, 1_000_000), 10_000, 'Calls at once, ended ones included.'),
  maxPerAgent: preset(whole(1, 1_000_000), 1000, 'Calls of one agent that have not ended.'),
  maxCallBytes: preset(size('0B', '64MiB'), '1MiB', 'A larger request body is not kept for later.'),
  maxAnswerBytes: preset(size('1KiB', '256MiB'), '16MiB', 'A larger answer is not kept.'),
  maxTotalBytes: preset(size('1MiB', '1024GiB'), '1GiB', 'All of them together.'),
  ttl: preset(duration('1s', '720h'), '24h', 'A call that was not run by then has expired.'),
  keep: preset(duration('1s', '720h'), '24h', 'How long an answer can be fetched.'),
  concurrency: preset(whole(1, 1024), 32, 'Calls of one Weir that are run at once.'),
  attempts: preset(whole(1, 100), 5, 'Starts of a call that may be sent again.'),
})

const admission = z.strictObject({
  enabled: preset(
    flag(),
    true,
    'Orchestrators, Envoy and nginx may ask before a step or a call: /weir/v1/admit, /weir/v1/authz.',
  ),
  maxTickets: preset(whole(1, 1_000_000), 10_000, 'Steps that were let go or wait in line at once.'),
  maxPerAgent: preset(whole(1, 1_000_000), 1000, 'The same of one agent.'),
  maxLease: preset(
    duration('1s', '24h'),
    '1h',
    'The longest silence after which a step counts as abandoned that may be asked for.',
  ),
  maxWait: preset(duration('0s', '10m'), '55s', 'The longest wait of one request.'),
})

const commons = z.strictObject({
  store: preset(
    choice(['none', 'memory', 'lmdb', 'redis']),
    'none',
    'Where what agents share is kept: nowhere (then /weir/v1 offers nothing of it), in memory, on disk, or in Redis.',
  ),
  dir: text(4096).optional().meta({
    allowed: 'the path of a directory',
    description: 'lmdb: a directory on a local disk, from the folder of this file; one process each.',
  }),
  redis: redisUrl().optional().meta({
    allowed: 'redis://host:port or rediss://host:port',
    description:
      'redis: a Redis 7 or Valkey server; Weirs with the same one and the same prefix share the commons.',
  }),
  prefix: preset(
    text(64, 'letters, digits, . _ : -', /^[A-Za-z0-9._:-]{1,64}$/),
    'weir-commons',
    'redis: before every key.',
  ),
  maxRecordBytes: preset(size('1KiB', '8MiB'), '256KiB', 'One document, event, task or registration.'),
  maxRoomBytes: preset(size('1MiB', '64GiB'), '256MiB', 'All documents together; likewise tasks, events.'),
  maxDocuments: preset(whole(1, 10_000_000), 10_000, 'Documents of state at once.'),
  maxTasks: preset(whole(1, 10_000_000), 100_000, 'Tasks at once, ended ones that are still kept included.'),
  maxEvents: preset(whole(100, 10_000_000), 100_000, 'Events that are kept; the oldest go first.'),
  maxAgents: preset(whole(1, 1_000_000), 10_000, 'Agents registered at once.'),
  maxListeners: preset(whole(1, 100_000), 2000, 'Streams and long polls at once.'),
  keepTasks: preset(duration('1m', '2160h'), '24h', 'How long the end of a task is kept.'),
})

export const configFile = z.strictObject({
  version: z
    .literal(CONFIG_VERSION)
    .optional()
    .meta({
      allowed: String(CONFIG_VERSION),
      description:
        'Version of this format; absent = 1. A file for a later Weir is refused, not half understood.',
    }),
  listen: preset(endpoint(), '127.0.0.1:8080', 'Where agents connect.'),
  tls: tlsSection.optional().meta({
    description: 'TLS where agents connect; absent = none. Docs: docs/protocols.md.',
  }),
  http2: section('HTTP/2 where agents connect: docs/protocols.md.', {}, http2Section),
  auth: authSection.optional().meta({
    description: 'Who may call; must be said when agents connect from other machines: docs/identity.md.',
  }),
  permissions: permissionsSection.optional().meta({
    description: 'What agents may do that are known by a credential: docs/identity.md.',
  }),
  operator: section(
    "The operator's listener; agents must not reach it.",
    {},
    z.strictObject({
      listen: preset(endpoint(), '127.0.0.1:9090', 'Where probes, metrics, state and the dashboard are.'),
      control: preset(
        flag(),
        false,
        'Whoever reaches this listener may switch the mode of a rule, until the next reload.',
      ),
    }),
  ),
  upstreams,
  policies: z.array(text(4096)).min(1).max(64).optional().meta({
    description:
      'Policy files and folders, from the folder of this file; absent = the shipped default, which only watches.',
  }),
  identity: section(
    'How callers are told apart.',
    {},
    z.strictObject({
      hashKey: secret().optional().meta({
        allowed: 'a secret of 16 to 1024 characters',
        description:
          'Key of the hash that stands for API keys; absent = random per process. Replicas need the same.',
      }),
      agentHeader: preset(
        text(64, 'a header name in lower case', /^[a-z0-9-]+$/),
        'x-agent-id',
        'Header that names the agent, besides the known ones.',
      ),
    }),
  ),
  limits: section('What one client may cost.', {}, limits),
  hold: section('What waiting calls may cost.', {}, hold),
  drain: section('The end of the process.', {}, drain),
  log: section(
    'The log, on standard output.',
    {},
    z.strictObject({
      level: preset(choice(LOG_LEVELS), 'info', 'What is logged.'),
      access: preset(flag(), false, 'One line per call, metadata only.'),
    }),
  ),
  metrics: section(
    'The metrics.',
    {},
    z.strictObject({
      agents: preset(whole(0, 10_000), 20, 'Agents with a series of their own; the rest is `other`.'),
    }),
  ),
  otlp: section('Export to an OpenTelemetry collector: docs/opentelemetry.md.', {}, otlp),
  journal: section('One line of metadata per call, to files: docs/journal.md.', {}, journal),
  deferral: section('Calls that are answered later: docs/deferral.md.', {}, deferral),
  admission: section('Asking before a step: docs/admit.md.', {}, admission),
  commons: section('What agents share through Weir on purpose: docs/commons.md.', {}, commons),
  board: section('What replicas tell each other: docs/fleet.md.', {}, board),
  workers: preset(whole(1, 64), 1, 'Processes that share the port of the agents.'),
  tables: section(
    'Sizes of the tables, fixed for the life of the process.',
    {},
    z.strictObject({
      agents: preset(whole(16, 1_000_000), 10_000, 'Agents known at once; the rest share one entry.'),
      workflows: preset(whole(16, 1_000_000), 16_384, 'Workflows known at once.'),
    }),
  ),
})

export type ConfigValue = z.output<typeof configFile>
