/** How conditions and events look, in every chart the same. */
import type { Condition, EventName, Millis } from '../../../core/model.ts'
import type { EventMark, Stretch } from '../conditions.ts'
import type { Drawn } from './svg-chart.ts'

export function conditionColour(condition: Condition): string {
  return `var(--is-${condition})`
}

/** In their order of severity; `watch` is no finding. */
export const SHADED: ReadonlySet<Condition> = new Set([
  'drifting',
  'storming',
  'degraded',
  'down',
  'recovering',
])

/** Events worth a sign of their own: its letter and its sentence. */
export const SIGNS: Readonly<Partial<Record<EventName, { readonly sign: string; readonly text: string }>>> = {
  'drift-started': { sign: 'D', text: 'drift: response times or errors left the healthy distribution' },
  'storm-started': { sign: 'S', text: 'storm: distinct agents retry together' },
  'probe-started': { sign: 'P', text: 'down: one trial call at a time' },
  'release-started': { sign: 'R', text: 'release: held work is let go, in stages' },
  'agent-looping': { sign: 'L', text: 'an agent runs in circles' },
  'workflow-narrowed': { sign: 'W', text: 'a workflow is wider than its class, or circles' },
}

/** Centres of signs are no closer than this, in pixels. */
const APART = 17

export interface Sign {
  readonly sign: string
  /** Where it happened, and where there is room for the sign. */
  readonly x: number
  readonly shownX: number
}

/**
 * The signs of marks side by side in one row; those of which the same kind stands right beside are left out.
 *
 * @param right edge that no sign crosses
 */
export function signsOf(
  marks: readonly EventMark[],
  x: (at: Millis) => number,
  right: number,
): readonly Sign[] {
  const signs: Sign[] = []
  const lastX = new Map<EventName, number>()
  for (const { name, atMs } of marks) {
    const look = SIGNS[name]
    const here = x(atMs)
    const before = signs.at(-1)?.shownX ?? -Infinity
    const shownX = Math.max(here, before + APART)
    const isCrowded = here - (lastX.get(name) ?? -Infinity) < 2 * APART || shownX - here > 2 * APART
    if (look === undefined || isCrowded || shownX > right) continue
    lastX.set(name, here)
    signs.push({ sign: look.sign, x: here, shownX })
  }
  return signs
}

/** Background of the stretches in which an upstream was not well. */
export function shading(
  stretches: readonly Stretch[],
  place: (x: number, y: number) => [number, number],
  from: Millis,
  to: Millis,
  top: number,
  height: number,
): Drawn[] {
  return stretches
    .filter(({ condition }) => SHADED.has(condition))
    .map(({ condition, fromMs, toMs }) => {
      const x = place(Math.max(from, fromMs), 0)[0]
      const end = place(Math.min(to, toMs), 0)[0]
      return {
        type: 'rect',
        shape: { x, y: top, width: Math.max(1, end - x), height },
        style: { fill: conditionColour(condition), opacity: 0.22 },
      }
    })
}

/** A letter in a circle at a point. */
export function signAt(x: number, y: number, sign: string): Drawn {
  return {
    type: 'group',
    children: [
      {
        type: 'circle',
        shape: { cx: x, cy: y, r: 7.5 },
        style: { fill: 'var(--paper)', stroke: 'var(--ink)', lineWidth: 1 },
      },
      {
        type: 'text',
        style: {
          text: sign,
          x,
          y,
          align: 'center',
          verticalAlign: 'middle',
          fill: 'var(--ink)',
          fontSize: 9.5,
          fontWeight: 700,
        },
      },
    ],
  }
}
