/** First reading of a journal for a closed loop: what its upstreams are like, and how many first tries there are. */
import type { HeaderLine } from '../line.ts'
import { FirstTries } from './first-tries.ts'
import { UpstreamFit, type FittedUpstream } from './model/upstream-fit.ts'
import type { RunListener } from './play-runs.ts'
import type { Player, RunReplay } from './run-replay.ts'

/** Hears nothing; for those who want little. */
export const SILENT: Player = {
  arrive() {},
  sent() {},
  head() {},
  chunk() {},
  end() {},
  tick() {},
  touch() {},
  input() {},
  event() {},
  finish() {},
}

export class Fitting implements RunListener {
  readonly byRun = new Map<string, (FittedUpstream | undefined)[]>()
  readonly named: (FittedUpstream & { readonly upstream: string })[] = []
  firstTries = 0
  attempts = 0
  leftOut = 0
  calls = 0
  #fits: UpstreamFit[] = []

  begin(header: HeaderLine, { rows }: RunReplay): { player: Player; users: number } {
    const fits = header.upstreams.map(() => new UpstreamFit())
    const tries = new FirstTries(rows)
    this.#fits = fits
    const player: Player = {
      ...SILENT,
      arrive: (row, at) => {
        this.calls += 1
        const isFirst = tries.arrived(row, at)
        if (tries.arrival.longLived) this.leftOut += 1
        else {
          if (isFirst) this.firstTries += 1
          if (rows.sentMs(row) >= 0) this.attempts += 1
        }
      },
      sent: (row, at) => fits[rows.upstream[row]!]?.sent(at),
      end(row, at) {
        tries.ended(row, at)
        const kind = rows.settled(row)
        const sentMs = rows.sentMs(row)
        if (kind === undefined || sentMs < 0) return
        const headMs = rows.headMs(row)
        const tookMs = (rows.isStreaming(row) && headMs >= 0 ? headMs : rows.endMs(row)) - sentMs
        fits[rows.upstream[row]!]?.ended(at, kind, rows.endStatus(row), tookMs, rows.retryAfterMs(row))
      },
    }
    return { player, users: 0 }
  }

  end(header: HeaderLine): void {
    const fitted = this.#fits.map((fit) => fit.fit())
    this.byRun.set(header.run, fitted)
    for (const [index, upstream] of header.upstreams.entries()) {
      const fit = fitted[index]
      if (fit !== undefined) this.named.push({ upstream, ...fit })
    }
  }
}
