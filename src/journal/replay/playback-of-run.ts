/** A playback as a run of a journal wants it: the seed and the tables of then, and who hears of every event. */
import type { Millis } from '../../core/model.ts'
import type { Policy } from '../../core/policy.ts'
import type { HeaderLine } from '../line.ts'
import { Playback, type Watcher } from './playback.ts'
import type { Player, RunReplay } from './run-replay.ts'

/** Sizes of the core's tables where the journal does not say; the defaults of `config-schema.ts`. */
const AGENTS = 10_000
const WORKFLOWS = 16_384

export function playbackOfRun(
  header: HeaderLine,
  run: RunReplay,
  policy: Policy,
  options: { readonly seed: number; readonly ownTicksFrom: Millis; readonly watcher?: Watcher },
): Playback {
  const { core, upstreams } = header
  return new Playback({
    policy,
    upstreams,
    seed: core?.seed ?? options.seed,
    agents: core?.agents ?? AGENTS,
    workflows: core?.workflows ?? WORKFLOWS,
    rows: run.rows,
    estimator: run.estimator,
    ownTicksFrom: options.ownTicksFrom,
    ...(options.watcher === undefined ? {} : { watcher: options.watcher }),
  })
}

/** Tells every playback everything. */
export function playerOf(playbacks: readonly Playback[]): Player {
  return {
    arrive(row, at) {
      for (const playback of playbacks) {
        playback.advance(at)
        playback.arrive(row, at)
      }
    },
    sent(row, at) {
      for (const playback of playbacks) {
        playback.advance(at)
        playback.sent(row, at)
      }
    },
    head(row, at) {
      for (const playback of playbacks) {
        playback.advance(at)
        playback.head(row, at)
      }
    },
    chunk(row, at) {
      for (const playback of playbacks) {
        playback.advance(at)
        playback.chunk(row, at)
      }
    },
    end(row, at) {
      for (const playback of playbacks) {
        playback.advance(at)
        playback.end(row, at)
      }
    },
    tick(at) {
      for (const playback of playbacks) {
        playback.advance(at)
        playback.tick(at)
      }
    },
    touch(at) {
      for (const playback of playbacks) {
        playback.advance(at)
        playback.touch(at)
      }
    },
    input(line) {
      for (const playback of playbacks) {
        playback.advance(line.at)
        playback.input(line)
      }
    },
    event() {},
    finish() {},
  }
}
