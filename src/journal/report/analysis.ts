/**
 * Reads a journal once, line by line, into findings. Memory does not grow with the journal: arrays over a time grid,
 * tables of the heaviest, and the calls that wait for their place in time.
 */
import type { Millis } from '../../core/model.ts'
import type { CallLine, EventLine, HeaderLine, JournalLine } from '../line.ts'
import { Callers } from './callers.ts'
import { CallOrder, type OrderedCall } from './call-order.ts'
import { Conditions } from './conditions.ts'
import { FanOut } from './fan-out.ts'
import { REPORT_VERSION, type Findings, type LeftOut, type SourceFindings } from './findings.ts'
import { LatencyBands } from './latency-bands.ts'
import { EVERYTHING, rangeOf, type Bound, type Range } from './range.ts'
import { Retries } from './retries.ts'
import { RetryHeat } from './retry-heat.ts'
import { rounded } from './rounded.ts'
import { TimeGrid } from './time-grid.ts'
import { TimeView } from './time-view.ts'
import { Traffic } from './traffic.ts'
import { UpstreamNames } from './upstream-names.ts'
import { WeirActs } from './weir-acts.ts'
import { worstStretch } from './worst-stretch.ts'

/** Told one by one; past them they are counted. */
const MOST_LEFT_OUT = 20

export interface AnalysisOptions {
  /** What a call that went upstream costs; default 0.01. */
  readonly pricePerCall?: number
  /** Sign that stands before amounts; default $. */
  readonly currency?: string
  readonly from?: Bound
  readonly to?: Bound
}

export const DEFAULT_PRICE = 0.01

interface UpstreamDesk {
  readonly traffic: Traffic
  readonly latency: LatencyBands
  readonly conditions: Conditions
  readonly heat: RetryHeat
}

export class Analysis {
  readonly #options: AnalysisOptions
  readonly #grid = new TimeGrid()
  readonly #names = new UpstreamNames()
  readonly #desks: UpstreamDesk[] = []
  readonly #total = new Traffic(this.#grid)
  readonly #fanOut = new FanOut()
  readonly #callers = new Callers()
  readonly #acts = new WeirActs(this.#grid)
  readonly #retries = new Retries()
  readonly #order = new CallOrder({
    arrived: (call, at) => this.#arrived(call, at),
    ended: (call, at) => this.#ended(call, at),
  })
  readonly #writers = new Set<string>()
  readonly #runs = new Set<string>()
  readonly #leftOut: LeftOut[] = []
  #leftOutCount = 0
  #header: HeaderLine | undefined
  /** The zero of the run's times, ms since the epoch. */
  #zero: Millis = 0
  #range: Range = EVERYTHING
  #parts = 0
  #events = 0
  #dropped = 0
  #calls = 0
  #fromMs: Millis = Infinity
  #toMs: Millis = -Infinity
  #runEndMs: Millis = -Infinity

  constructor(options: AnalysisOptions = {}) {
    this.#options = options
  }

  add(line: JournalLine): void {
    switch (line.kind) {
      case 'journal':
        return this.#begin(line)
      case 'call':
        this.#runEndMs = Math.max(this.#runEndMs, this.#zero + line.at + line.endMs)
        return this.#order.add(line)
      case 'event':
        return this.#event(line)
      case 'gap':
        if (this.#isShown(this.#zero + line.at)) this.#dropped += line.dropped
        return
      case 'ticks':
      case 'marks':
      case 'input':
        return
    }
  }

  /** Something of the journal that is not in the report. */
  leaveOut(part: LeftOut): void {
    this.#leftOutCount += 1
    if (this.#leftOut.length < MOST_LEFT_OUT) this.#leftOut.push(part)
  }

  /** Ends the reading. Once only. */
  findings(): Findings {
    this.#endRun()
    this.#fanOut.end()
    const view = new TimeView(this.#grid, this.#calls)
    const total = this.#total.findings(view)
    const upstreams = this.#desks.map((desk, index) => ({
      name: this.#names.names[index] ?? '',
      traffic: desk.traffic.findings(view),
      latency: desk.latency.findings(view),
      conditions: desk.conditions.findings(),
      heat: desk.heat.findings(view),
    }))
    const trouble = upstreams.map(({ traffic }) => traffic.waste.calls + traffic.retries)
    const weir = this.#acts.findings(view)
    const worst = worstStretch(
      total,
      upstreams.map(({ name, traffic, conditions, heat }) => ({
        name,
        traffic,
        conditions,
        retrying: heat.distinct,
      })),
      view.startMs,
      view.bucketMs,
    )
    const fromMs = Number.isFinite(this.#fromMs) ? this.#fromMs : this.#zero
    const toMs = Math.max(fromMs, this.#toMs)
    return rounded({
      kind: 'weir-report' as const,
      version: REPORT_VERSION,
      source: this.#source(
        weir.did.held + weir.did.shed + weir.did.deferred > 0,
        weir.shadow.rows.length > 0,
      ),
      time: {
        from: new Date(fromMs).toISOString(),
        to: new Date(toMs).toISOString(),
        fromMs,
        toMs,
        seriesFromMs: view.startMs,
        bucketMs: view.bucketMs,
        columns: view.columns,
      },
      pricePerCall: this.#options.pricePerCall ?? DEFAULT_PRICE,
      currency: this.#options.currency ?? '$',
      total,
      worst:
        worst === null
          ? null
          : { ...worst, fromMs: Math.max(worst.fromMs, fromMs), toMs: Math.min(worst.toMs, toMs) },
      upstreams: upstreams
        .map((upstream, index) => ({ upstream, trouble: trouble[index]! }))
        .toSorted(
          (a, b) => b.trouble - a.trouble || b.upstream.traffic.arrivals - a.upstream.traffic.arrivals,
        )
        .map(({ upstream }) => upstream),
      fanOut: this.#fanOut.findings(),
      callers: this.#callers.findings(),
      weir,
    })
  }

  #source(acted: boolean, noted: boolean): SourceFindings {
    const isImport = [...this.#writers].every((writer) => writer.startsWith('import:'))
    return {
      writers: [...this.#writers].toSorted((a, b) => a.localeCompare(b)),
      runs: this.#runs.size,
      parts: this.#parts,
      events: this.#events,
      dropped: this.#dropped,
      hashedIds: this.#header?.hashedIds === true,
      mode: isImport ? 'imported' : acted ? 'enforced' : noted ? 'shadow' : 'observed',
      late: this.#order.late,
      leftOut: this.#leftOut,
      leftOutMore: this.#leftOutCount - this.#leftOut.length,
    }
  }

  #begin(header: HeaderLine): void {
    this.#parts += 1
    this.#writers.add(header.source)
    const isFirst = this.#header === undefined
    const isSame = !isFirst && this.#header?.run === header.run
    if (!isFirst && !isSame) this.#endRun()
    this.#header = header
    this.#runs.add(header.run)
    this.#zero = Date.parse(header.startedAt)
    if (isFirst) this.#range = rangeOf(this.#options.from, this.#options.to, this.#zero)
    if (isSame) return
    this.#retries.begin()
    this.#runEndMs = -Infinity
    if (header.core === undefined) return
    for (const name of header.upstreams) this.#desk(name).conditions.begin(this.#zero)
  }

  #endRun(): void {
    this.#order.flush()
    this.#fanOut.end()
    if (this.#runEndMs === -Infinity) return
    for (const { conditions } of this.#desks) conditions.end(this.#runEndMs)
  }

  #desk(name: string): UpstreamDesk {
    const index = this.#names.of(name)
    let desk = this.#desks[index]
    if (desk === undefined) {
      desk = {
        traffic: new Traffic(this.#grid),
        latency: new LatencyBands(this.#grid),
        conditions: new Conditions(this.#grid, this.#range),
        heat: new RetryHeat(this.#grid),
      }
      this.#desks[index] = desk
    }
    return desk
  }

  #isShown(at: Millis): boolean {
    return at >= this.#range.fromMs && at <= this.#range.toMs
  }

  #arrived(call: OrderedCall, now: Millis): void {
    const { line } = call
    this.#retries.arrived(call, now)
    const at = this.#zero + line.at
    if (this.#isShown(at)) this.#fanOut.arrive(call, now, at)
  }

  #ended(call: OrderedCall, now: Millis): void {
    const { line } = call
    this.#retries.ended(call, now)
    const at = this.#zero + line.at
    if (!this.#isShown(at)) return
    this.#calls += 1
    this.#fromMs = Math.min(this.#fromMs, at)
    this.#toMs = Math.max(this.#toMs, at + line.endMs)
    this.#fanOut.ended(call, now, at + line.endMs)
    this.#count(line, at, call.retry)
  }

  #count(line: CallLine, at: Millis, retry: number): void {
    // Arrivals and retries are an affair of the upstream that was asked for, attempts of the one that was used.
    const asked = this.#desk(line.upstream)
    const used = line.member === undefined ? asked : this.#desk(line.member)
    this.#total.arrived(line, at, retry)
    this.#total.ended(line, at)
    asked.traffic.arrived(line, at, retry)
    used.traffic.ended(line, at)
    used.latency.add(line, at)
    if (retry > 0 && line.longLived !== true) asked.heat.add(line.agent, at, retry)
    this.#callers.add(line, line.longLived === true ? 0 : retry)
    this.#acts.add(line, at)
  }

  #event(line: EventLine): void {
    const at = this.#zero + line.at
    if (this.#isShown(at)) this.#events += 1
    this.#runEndMs = Math.max(this.#runEndMs, at)
    const root = line.readings['root']
    this.#desk(line.upstream).conditions.event(
      line,
      at,
      typeof root === 'number' ? this.#header?.upstreams[root] : undefined,
    )
  }
}

/**
 * Reads to the end.
 *
 * @throws what the reader throws: a journal that cannot be read
 */
export async function analyse(
  lines: AsyncIterable<readonly JournalLine[]>,
  analysis: Analysis,
): Promise<Findings> {
  for await (const batch of lines) for (const line of batch) analysis.add(line)
  return analysis.findings()
}
