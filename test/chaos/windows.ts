/** What was broken when, so that a call is judged by what happened to it. */

export interface Window {
  readonly fault: string
  /** '' = everywhere. */
  readonly upstream: string
  readonly from: number
  to: number
}

export class Windows {
  readonly all: Window[] = []

  open(fault: string, upstream = ''): Window {
    const window = { fault, upstream, from: performance.now(), to: Infinity }
    this.all.push(window)
    return window
  }

  /** @param settleMs how long the fault still shows after it ended */
  close(window: Window, settleMs = 0): void {
    window.to = performance.now() + settleMs
  }

  /** Any of these faults was there between `from` and `to`. */
  touched(faults: ReadonlySet<string>, upstream: string, from: number, to: number): boolean {
    return this.all.some(
      (window) =>
        faults.has(window.fault) &&
        (window.upstream === '' || window.upstream === upstream) &&
        window.from <= to &&
        window.to >= from,
    )
  }

  /** How long one fault lasted between `from` and `to`, in ms. */
  overlapMs(fault: string, from: number, to: number): number {
    let sum = 0
    for (const window of this.all) {
      if (window.fault === fault) sum += Math.max(0, Math.min(window.to, to) - Math.max(window.from, from))
    }
    return sum
  }
}
