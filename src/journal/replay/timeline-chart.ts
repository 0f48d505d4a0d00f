/** Held and refused calls over time as bars, before those of all calls. */
import { markup, type Markup } from '../report/page/markup.ts'
import type { ReplayResult, TimelineCounts } from './replay-journal.ts'
import { span } from './result-rows.ts'
import { count } from './unknowns.ts'

const WIDTH = 960
const HEIGHT = 96
const TOP = 6
const FOOT = 18

/** @param most calls of the fullest column of all charts of the page: their bars can be compared */
export function timelineChart(
  name: string,
  { columnMs, calls }: ReplayResult['timeline'],
  { held, refused }: TimelineCounts,
  most: number,
): Markup {
  const columns = Math.max(1, calls.length)
  const step = WIDTH / columns
  const scale = (HEIGHT - TOP) / Math.max(1, most)
  const bar = (kind: string, column: number, value: number, below: number): Markup | undefined => {
    if (value === 0) return undefined
    const height = Math.max(0.5, value * scale)
    const y = Math.min(HEIGHT - height, HEIGHT - (below + value) * scale)
    return markup`<rect
      class="${kind}"
      x="${cut(column * step)}"
      y="${cut(y)}"
      width="${cut(step * 0.92)}"
      height="${cut(height)}"
    />`
  }
  const bars = calls.map((all, column) => {
    const [waiting, gone] = [held[column] ?? 0, refused[column] ?? 0]
    if (all === 0 && waiting + gone === 0) return markup``
    const at = span(column * columnMs)
    return markup`<g
      ><title>${at}: ${count(all)} calls, ${count(waiting)} held, ${count(gone)} refused</title
      >${bar('calls', column, all, 0)}${bar('held', column, waiting, 0)}${bar('refused', column, gone, waiting)}</g
    >`
  })
  return markup`<svg
    viewBox="0 0 ${WIDTH} ${HEIGHT + FOOT}"
    role="img"
    aria-label="${name}: calls over time, and of them held and refused"
  >
    ${bars}
    <text x="0" y="${HEIGHT + FOOT - 4}">0</text>
    <text x="${WIDTH}" y="${HEIGHT + FOOT - 4}" text-anchor="end">${span(columns * columnMs)}</text>
  </svg>`
}

function cut(value: number): number {
  return Math.round(value * 100) / 100
}
