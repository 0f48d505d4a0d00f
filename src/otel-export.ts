/**
 * The export to OpenTelemetry as the app uses it: nothing at all unless the config names an endpoint. Until then no
 * package is loaded, and a call pays for one look at an absent field.
 */
import { createCallTracing } from './call-tracing.ts'
import { ConfigError } from './config.ts'
import { CONDITIONS } from './core/model.ts'
import type { Condition, CoreEvent, Millis, Outcome, UpstreamIndex } from './core/model.ts'
import { namedSource } from './policy/document.ts'
import { problemAt } from './policy/problems.ts'
import type { Call } from './proxy/call.ts'
import type { UpstreamOptions } from './proxy/options.ts'
import { NO_OTLP } from './telemetry/otlp/export-health.ts'
import type { OtlpReading } from './telemetry/otlp/export-health.ts'
import type { OtlpOptions } from './telemetry/otlp/options.ts'
import { startOtlp } from './telemetry/otlp/otlp.ts'
import type { Otlp, OtlpDeps } from './telemetry/otlp/otlp.ts'
import { loadOtlpSdk, OtlpPackagesMissing } from './telemetry/otlp/sdk.ts'
import type { OtlpSdk } from './telemetry/otlp/sdk.ts'

export interface OtelExportDeps extends OtlpDeps {
  readonly upstreams: readonly UpstreamOptions[]
  readonly clock: () => Millis
  /** Of the policies in force; '' = none has this index. */
  readonly ruleId: (rule: number) => string
  /** Wall clock in ms at which they came into force. */
  readonly rulesSince: () => number
}

export class OtelExport {
  readonly #options: OtlpOptions | undefined
  readonly #deps: OtelExportDeps
  readonly #conditions: Condition[]
  #sdk: OtlpSdk | undefined
  #otlp: Otlp | undefined
  #trace: ((call: Call, outcome: Outcome) => void) | undefined

  /** @param options undefined = off */
  constructor(options: OtlpOptions | undefined, deps: OtelExportDeps) {
    this.#options = options
    this.#deps = deps
    this.#conditions = deps.upstreams.map(() => 'healthy')
  }

  get reading(): OtlpReading {
    return this.#otlp?.reading ?? NO_OTLP
  }

  /** Loads the packages, when they are needed. @throws ConfigError when they are not installed */
  async load(load: () => Promise<OtlpSdk> = loadOtlpSdk): Promise<void> {
    if (this.#options === undefined) return
    try {
      this.#sdk = await load()
    } catch (error) {
      if (!(error instanceof OtlpPackagesMissing)) throw error
      const complaint = {
        found: `an endpoint is given, and ${error.packageName} is not installed`,
        allowed: 'an endpoint together with the optional packages',
        fix: 'install without --omit=optional, or take the endpoint away (OTEL_SDK_DISABLED=true does it too)',
      }
      throw new ConfigError([problemAt(namedSource('otlp'), [], complaint)])
    }
  }

  /** From here on calls are traced. Does nothing unless `load` did. */
  start(): void {
    const { log, upstreams, clock, wall } = this.#deps
    if (this.#options === undefined || this.#sdk === undefined) return
    const { endpoint, traces, metrics, sampleRatio } = this.#options
    const otlp = startOtlp(this.#sdk, this.#options, this.#deps)
    this.#otlp = otlp
    this.#trace = createCallTracing({
      otlp,
      upstreams,
      clock,
      wall,
      condition: (upstream) => this.#conditions[upstream] ?? 'healthy',
      ruleId: (rule, arrivedAt) => this.#ruleId(rule, arrivedAt),
    })
    log.info(
      { endpoint: endpoint.origin + endpoint.pathname, traces, metrics, sampleRatio },
      'exporting to OpenTelemetry',
    )
  }

  event({ name, upstream, to }: CoreEvent): void {
    if (name === 'condition-changed') this.#changed(upstream, to)
  }

  /** A call ended. */
  ended(call: Call, outcome: Outcome): void {
    this.#trace?.(call, outcome)
  }

  /** Sends what is left; 2 s at most. */
  async stop(): Promise<void> {
    await this.#otlp?.stop()
  }

  #changed(upstream: UpstreamIndex, to: string | undefined): void {
    const condition = CONDITIONS.find((known) => known === to)
    if (condition !== undefined) this.#conditions[upstream] = condition
  }

  #ruleId(rule: number, arrivedAt: Millis): string {
    if (rule < 0) return ''
    const { wall, clock, rulesSince, ruleId } = this.#deps
    // The index of a rule means nothing under other policies.
    return wall() - (clock() - arrivedAt) < rulesSince() ? '' : ruleId(rule)
  }
}
