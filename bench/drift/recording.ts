/** A stretch of time with calls, real or made again from summaries, that any detector can be run over. */
export type Part = 'tuning' | 'heldOut'
export type DataSet = 'dependencyLatency' | 'nab' | 'nezha' | 'agentSessions'

export interface Span {
  readonly from: number
  readonly to: number
}

export interface Recording {
  readonly set: DataSet
  readonly name: string
  /** Thresholds are chosen on the one part, figures are told of the other. */
  readonly part: Part
  /** One value of the original per so many seconds. */
  readonly stepSeconds: number
  /** The stretch at the beginning that is taken to be healthy, and not scored. */
  readonly probationSeconds: number
  /** What a detector ought to find: seconds from the start. */
  readonly events: readonly Span[]
  /** Faults that leave latency alone: an alarm in one is false, once. */
  readonly decoys: readonly Span[]
  /** Where every alarm is false. */
  readonly healthy: readonly Span[]
  readonly seconds: number
  /** Plays the calls that end in each second; `calls` is used again for the next. */
  play(each: (second: number, calls: readonly number[]) => void): void
}

/** An alarm began in this second. */
export interface Alarm {
  readonly second: number
  readonly side: 'slow' | 'fast'
}

/** The stretches of 0 to `end` outside `spans`, which are in order. */
export function outside(spans: readonly Span[], from: number, end: number): Span[] {
  const rest: Span[] = []
  let at = from
  for (const span of spans) {
    if (span.from > at) rest.push({ from: at, to: Math.min(span.from, end) })
    at = Math.max(at, span.to)
  }
  if (at < end) rest.push({ from: at, to: end })
  return rest
}

/** Length of the spans together, in seconds. */
export function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, span) => sum + span.to - span.from, 0)
}
