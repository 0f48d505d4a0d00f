/**
 * A part of the bench, so that whoever works on the data path sees the effect within a minute:
 *
 *   OVERHEAD_ARMS=weir,nginx    only these targets (default: all that there are)
 *   OVERHEAD_SHAPES=get         only these shapes
 *   OVERHEAD_PARTS=cpu          only these of cpu, latency, stream
 *   OVERHEAD_ROUNDS=5           rounds, of OVERHEAD_SECONDS=1 each
 *   OVERHEAD_BASE=DIR           another checkout that is built, as target `base`
 *   OVERHEAD_PROFILE=DIR        CPU profiles of Weir go there
 */
import type { Rounds } from './cpu-cost.ts'
import { SHAPES, type Shape } from './shapes.ts'

const PARTS = ['cpu', 'latency', 'stream']

export interface Selection {
  readonly arms: ReadonlySet<string> | undefined
  readonly shapes: readonly Shape[]
  readonly parts: ReadonlySet<string>
  readonly rounds: Rounds
  readonly latencySeconds: number
}

/** @throws naming a word that is none of those it may be */
export function selectionOf(env: NodeJS.ProcessEnv, smoke: boolean): Selection {
  const names = SHAPES.map(({ name }) => name)
  const shapes = listed(env['OVERHEAD_SHAPES'], 'OVERHEAD_SHAPES', names)
  const arms = env['OVERHEAD_ARMS']
  return {
    arms: arms === undefined ? undefined : new Set(arms.split(',')),
    shapes: SHAPES.filter(({ name }) => shapes.has(name)),
    parts: listed(env['OVERHEAD_PARTS'], 'OVERHEAD_PARTS', PARTS),
    rounds: {
      count: Number(env['OVERHEAD_ROUNDS'] ?? (smoke ? 1 : 11)),
      seconds: Number(env['OVERHEAD_SECONDS'] ?? 1),
      requests: smoke ? 64 : undefined,
    },
    latencySeconds: smoke ? 0.5 : 4,
  }
}

function listed(text: string | undefined, variable: string, allowed: readonly string[]): ReadonlySet<string> {
  if (text === undefined) return new Set(allowed)
  const words = text.split(',')
  const unknown = words.find((word) => !allowed.includes(word))
  if (unknown !== undefined) throw new Error(`${variable}: '${unknown}' is none of ${allowed.join(', ')}`)
  return new Set(words)
}
