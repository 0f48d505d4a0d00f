/** The format of `weir.yaml`: keys, defaults, ranges and sentences. Sources of the numbers: the acceptance table. */
import { z } from 'zod'
import { choice, duration, flag, scalar, size, text, whole } from './policy/fields.ts'
import { NAME, NAME_ALLOWED } from './policy/schema.ts'
import { DIALECTS } from './proxy/options.ts'
import { LOG_LEVELS } from './telemetry/log.ts'

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

/** A key with its default in written form. */
function preset<T>(kind: z.ZodType<T>, fallback: unknown, sentence: string): z.ZodPrefault<z.ZodType<T>> {
  const described = kind.meta({ ...kind.meta(), description: sentence, preset: fallback })
  return z.prefault(described, fallback).meta({ ...described.meta() })
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
  ca: text(4096).optional().meta({
    allowed: 'the path of a PEM file',
    description: 'Extra trusted authorities; verification itself cannot be switched off.',
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

export const configFile = z.strictObject({
  listen: preset(endpoint(), '127.0.0.1:8080', 'Where agents connect.'),
  auth: z
    .strictObject({
      mode: choice(['none']).meta({
        allowed: 'none',
        description: 'none = whoever reaches the port may call.',
      }),
    })
    .optional()
    .meta({ description: 'Must be said when agents connect from other machines.' }),
  operator: section(
    "The operator's listener; agents must not reach it.",
    {},
    z.strictObject({ listen: preset(endpoint(), '127.0.0.1:9090', 'Where probes, metrics and state are.') }),
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
