/** What every fuzz target takes and gives. */

export interface FuzzOptions {
  readonly cases: number
  readonly seed: number
}

export interface Finding {
  readonly input: string
  readonly why: string
}

export interface FuzzFigures {
  readonly target: string
  readonly cases: number
  readonly casesPerSecond: number
  readonly findings: readonly Finding[]
  readonly figures: Readonly<Record<string, number>>
}
