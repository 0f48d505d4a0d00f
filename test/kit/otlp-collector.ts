/** A collector of OTLP/HTTP in JSON on port 0: keeps what it is sent, and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

export interface SeenSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly name: string
  /** SERVER 2, CLIENT 3. */
  readonly kind: number
  /** ms since 1970. */
  readonly startMs: number
  readonly endMs: number
  readonly attributes: Record<string, string | number | boolean>
  /** UNSET 0, ERROR 2. */
  readonly status: number
  readonly flags: number
  readonly traceState: string | undefined
}

export interface SeenMetric {
  readonly name: string
  readonly unit: string
  readonly description: string
  readonly sum?: { readonly isMonotonic: boolean; readonly aggregationTemporality: number }
  readonly points: readonly {
    readonly attributes: Record<string, string | number | boolean>
    readonly asDouble?: number
    readonly count?: number
    readonly sum?: number
    readonly bucketCounts?: readonly number[]
    readonly explicitBounds?: readonly number[]
  }[]
}

export interface SeenExport {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export class OtlpCollector {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly exports: SeenExport[] = []
  /** What it does with an export; takes it unless told otherwise. */
  answer: (response: ServerResponse) => void = (response) => response.end('{}')

  private constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', (chunk: Buffer) => chunks.push(chunk))
      request.on('end', () => {
        const { url = '', headers } = request
        this.exports.push({ path: url, headers, text: Buffer.concat(chunks).toString() })
        response.setHeader('content-type', 'application/json')
        this.answer(response)
      })
    })
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(): Promise<OtlpCollector> {
    const collector = new OtlpCollector()
    await new Promise<void>((resolve) => {
      collector.#server.listen(0, '127.0.0.1', resolve)
    })
    return collector
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get spans(): SeenSpan[] {
    return this.#bodies('/v1/traces').flatMap((body) =>
      body.resourceSpans.flatMap((of: any) => of.scopeSpans.flatMap((scope: any) => scope.spans.map(spanOf))),
    )
  }

  /** Of the last export. */
  get metrics(): ReadonlyMap<string, SeenMetric> {
    const last = this.#bodies('/v1/metrics').at(-1)
    const metrics = (last?.resourceMetrics ?? []).flatMap((of: any) =>
      of.scopeMetrics.flatMap((scope: any) => scope.metrics.map(metricOf)),
    )
    return new Map(metrics.map((metric: SeenMetric) => [metric.name, metric]))
  }

  /** Attributes of the resource of the last export. */
  get resource(): Record<string, string | number | boolean> {
    const last = JSON.parse(this.exports.at(-1)?.text ?? '{}')
    return attributesOf((last.resourceSpans ?? last.resourceMetrics)[0].resource.attributes)
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }

  #bodies(path: string): any[] {
    return this.exports.filter((seen) => seen.path === path).map((seen) => JSON.parse(seen.text))
  }
}

function spanOf(span: any): SeenSpan {
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    parentSpanId: span.parentSpanId,
    name: span.name,
    kind: span.kind,
    startMs: Number(span.startTimeUnixNano) / 1e6,
    endMs: Number(span.endTimeUnixNano) / 1e6,
    attributes: attributesOf(span.attributes),
    status: span.status.code,
    flags: span.flags,
    traceState: span.traceState,
  }
}

function metricOf(metric: any): SeenMetric {
  const { dataPoints } = metric.sum ?? metric.gauge ?? metric.histogram
  const points = dataPoints.map((point: any) => ({ ...point, attributes: attributesOf(point.attributes) }))
  const { name, unit, description, sum } = metric
  return { name, unit, description, sum, points }
}

function attributesOf(list: any[]): Record<string, string | number | boolean> {
  return Object.fromEntries(
    list.map(({ key, value }) => [key, Object.values(value)[0] as string | number | boolean]),
  )
}
