/**
 * The variables by which OpenTelemetry's own specification configures an exporter ("SDK environment variables",
 * "OTLP exporter configuration"): what every other program of a cluster reads, Weir reads too. They beat the file.
 */
import { namedSource } from './policy/document.ts'
import { problemAt, type Path, type Problem } from './policy/problems.ts'

export interface OtelSetting {
  readonly path: Path
  readonly value: unknown
  /** The variable. */
  readonly from: string
}

export interface OtelVariables {
  readonly settings: readonly OtelSetting[]
  readonly problems: readonly Problem[]
}

export function readOtelVariables(env: Readonly<Record<string, string | undefined>>): OtelVariables {
  const settings: OtelSetting[] = []
  const problems: Problem[] = []
  const set = (from: string, key: readonly string[], value: unknown): void => {
    settings.push({ path: ['otlp', ...key], value, from })
  }
  const pairs = (from: string, take: (name: string, value: string) => void): void => {
    const read = readPairs(env[from] ?? '')
    if (read !== undefined) {
      for (const [name, value] of read) take(name, value)
      return
    }
    // Not what was found: it may hold a credential.
    const complaint = {
      found: 'is no list of names and values',
      allowed: 'name=value, separated by commas, values percent-encoded',
      fix: `correct ${from}, or unset it`,
    }
    problems.push(problemAt(namedSource(from), [], complaint))
  }
  const endpoint = env['OTEL_EXPORTER_OTLP_ENDPOINT']?.trim() ?? ''
  if (endpoint !== '') set('OTEL_EXPORTER_OTLP_ENDPOINT', ['endpoint'], endpoint)
  pairs('OTEL_EXPORTER_OTLP_HEADERS', (name, value) =>
    set('OTEL_EXPORTER_OTLP_HEADERS', ['headers', name], value),
  )
  pairs('OTEL_RESOURCE_ATTRIBUTES', (name, value) =>
    // A name of a service there is the name of the service, unless OTEL_SERVICE_NAME says otherwise.
    set('OTEL_RESOURCE_ATTRIBUTES', name === 'service.name' ? ['serviceName'] : ['resource', name], value),
  )
  const serviceName = env['OTEL_SERVICE_NAME'] ?? ''
  if (serviceName !== '') set('OTEL_SERVICE_NAME', ['serviceName'], serviceName)
  for (const [name, key] of SIGNALS) {
    if (env[name]?.trim() === 'none') set(name, [key], false)
  }
  // Only `true`, in any case, disables; whatever else it says, it does not enable.
  if (env['OTEL_SDK_DISABLED']?.trim().toLowerCase() === 'true') set('OTEL_SDK_DISABLED', ['enabled'], false)
  return { settings, problems }
}

const SIGNALS = [
  ['OTEL_TRACES_EXPORTER', 'traces'],
  ['OTEL_METRICS_EXPORTER', 'metrics'],
] as const

/** As W3C Baggage writes them. Undefined = not such a list. */
function readPairs(text: string): [name: string, value: string][] | undefined {
  const pairs: [string, string][] = []
  for (const member of text.split(',')) {
    if (member.trim() === '') continue
    const equals = member.indexOf('=')
    const name = member.slice(0, equals).trim()
    if (equals === -1 || name === '') return undefined
    try {
      pairs.push([name, decodeURIComponent(member.slice(equals + 1).trim())])
    } catch {
      return undefined
    }
  }
  return pairs
}
