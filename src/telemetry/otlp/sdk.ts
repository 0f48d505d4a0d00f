/**
 * The OpenTelemetry packages: optional, and loaded only when an endpoint is configured (0.2 s and 24 MB, Node 20).
 * Nothing is registered globally, so an application that embeds Weir keeps its own set-up.
 */

async function importAll() {
  const [api, resources, traces, metrics, traceExporter, metricExporter] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
  ])
  return { api, resources, traces, metrics, traceExporter, metricExporter }
}

export type OtlpSdk = Awaited<ReturnType<typeof importAll>>

/** The packages are not installed; `packageName` is the one that was missed first. */
export class OtlpPackagesMissing extends Error {
  override readonly name = 'OtlpPackagesMissing'
  readonly packageName: string

  constructor(packageName: string) {
    super(`the package ${packageName} is not installed`)
    this.packageName = packageName
  }
}

/** @throws OtlpPackagesMissing when they were left out of the installation */
export async function loadOtlpSdk(load: () => Promise<OtlpSdk> = importAll): Promise<OtlpSdk> {
  try {
    return await load()
  } catch (error) {
    const missing = missingPackage(error)
    throw missing === undefined ? error : new OtlpPackagesMissing(missing)
  }
}

function missingPackage(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  if (error.code !== 'ERR_MODULE_NOT_FOUND' && error.code !== 'MODULE_NOT_FOUND') return undefined
  return /'(@opentelemetry\/[a-z-]+)/.exec(error.message)?.[1] ?? '@opentelemetry/*'
}
