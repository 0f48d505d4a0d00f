/**
 * Who retried when: agents by time, darker is more. A storm is a column that many rows share; a single agent in
 * trouble is a row.
 */
import { byId, element, keepRows, setAttribute, setText } from './dom.js'
import { decimal, timeOfDay } from './format.js'
import { colour } from './theme.js'

/** @typedef {import('../src/admin/live-frame.ts').LiveFrame} LiveFrame */
/** @typedef {import('../src/admin/live-history.ts').LiveHistory} LiveHistory */
/** @typedef {{ time: number, retries: readonly (readonly [string, number])[] }} Second */
/** @typedef {{ agent: string, sum: number, cells: Float64Array }} Row */

const SPAN_S = 300
const STEP_S = 5
const STEPS = SPAN_S / STEP_S
const MOST_AGENTS = 20
const ROW_PX = 15
/** Retries in one step from which on a cell is as dark as can be; the scale grows with what is seen. */
const LEAST_FULL = 5

/** @returns {{ refill(history: LiveHistory): void, add(frame: LiveFrame): void, redraw(): void }} */
export function heat() {
  const canvas = byId('heat-canvas', HTMLCanvasElement)
  const names = byId('heat-agents', HTMLElement)
  const axis = byId('heat-axis', HTMLElement)
  const empty = byId('heat-empty', HTMLElement)
  const body = byId('heat-body', HTMLElement)
  const detail = byId('heat-detail', HTMLElement)
  const full = byId('heat-full', HTMLElement)
  /** @type {Second[]} */
  let seconds = []
  /** @type {Row[]} */
  let rows = []
  let until = 0
  let scale = LEAST_FULL

  const draw = () => {
    rows = rowsOf(seconds, until)
    setAttribute(empty, 'hidden', rows.length > 0)
    setAttribute(body, 'hidden', rows.length === 0)
    if (rows.length === 0) return
    scale = Math.max(LEAST_FULL, ...rows.flatMap(({ cells }) => [...cells]))
    setText(full, `${decimal(scale)} in ${STEP_S} s`)
    keepRows(
      names,
      rows,
      ({ agent }) => agent,
      ({ agent }) => element('li', { title: agent }, agent),
      () => {},
    )
    const total = rows.reduce((sum, row) => sum + row.sum, 0)
    setAttribute(
      canvas,
      'aria-label',
      `Retries by agent over the last five minutes: ${decimal(total)} by ${rows.length} agents, most by ${rows[0]?.agent} (${decimal(rows[0]?.sum)}). The table below has the figures.`,
    )
    const [from, middle, to] = axis.children
    if (from && middle && to) {
      setText(from, timeOfDay((until - SPAN_S) * 1000))
      setText(middle, timeOfDay((until - SPAN_S / 2) * 1000))
      setText(to, timeOfDay(until * 1000))
    }
    paint(canvas, rows, scale)
  }

  canvas.addEventListener('pointermove', (event) => {
    const { width, height } = canvas.getBoundingClientRect()
    const step = Math.min(STEPS - 1, Math.max(0, Math.floor((event.offsetX / width) * STEPS)))
    const row = rows[Math.floor((event.offsetY / height) * rows.length)]
    if (row === undefined) return
    const at = timeOfDay((until - SPAN_S + step * STEP_S) * 1000)
    setText(detail, `${row.agent}: ${decimal(row.cells[step] ?? 0)} retries in ${STEP_S} s from ${at}`)
  })
  canvas.addEventListener('pointerleave', () => setText(detail, ''))
  new ResizeObserver(draw).observe(canvas.parentElement ?? canvas)

  return {
    refill({ times, agents, retries }) {
      /** @type {[string, number][][]} */
      const counts = times.map(() => [])
      for (const [time, agent, count] of retries) counts[time]?.push([agents[agent] ?? '', count])
      seconds = times.map((time, index) => ({ time, retries: counts[index] ?? [] }))
    },
    add(frame) {
      const time = Date.parse(frame.time) / 1000
      const last = seconds.at(-1)
      if (last === undefined || last.time < time) seconds.push({ time, retries: frame.retries })
      // Whole steps, so that a cell does not change its colour while it moves to the left.
      until = Math.ceil(time / STEP_S) * STEP_S
      while ((seconds[0]?.time ?? time) < until - SPAN_S) seconds.shift()
      draw()
    },
    redraw: draw,
  }
}

/** @param {readonly Second[]} seconds @param {number} until @returns {Row[]} those who retried most, by name */
function rowsOf(seconds, until) {
  /** @type {Map<string, Row>} */
  const rows = new Map()
  for (const { time, retries } of seconds) {
    const step = Math.floor((time - (until - SPAN_S)) / STEP_S)
    if (step < 0) continue
    for (const [agent, count] of retries) {
      const row = rows.get(agent) ?? { agent, sum: 0, cells: new Float64Array(STEPS) }
      rows.set(agent, row)
      row.sum += count
      const at = Math.min(step, STEPS - 1)
      row.cells[at] = (row.cells[at] ?? 0) + count
    }
  }
  return [...rows.values()].toSorted((a, b) => b.sum - a.sum).slice(0, MOST_AGENTS)
}

/** @param {HTMLCanvasElement} canvas @param {readonly Row[]} rows @param {number} scale */
function paint(canvas, rows, scale) {
  const width = canvas.clientWidth
  const height = rows.length * ROW_PX
  canvas.style.height = `${height}px`
  const ratio = devicePixelRatio
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio)
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio)
  const context = canvas.getContext('2d')
  if (context === null) return
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, width, height)
  const none = colour('--heat-0')
  const heats = [1, 2, 3, 4, 5].map((level) => colour(`--heat-${level}`))
  const step = width / STEPS
  for (const [row, { cells }] of rows.entries()) {
    for (const [at, count] of cells.entries()) {
      // By square root: a single retry must be seen beside a hundred.
      const level = Math.min(4, Math.floor(Math.sqrt(count / scale) * 5))
      context.fillStyle = count === 0 ? none : (heats[level] ?? none)
      context.fillRect(at * step, row * ROW_PX, Math.max(1, step - 1), ROW_PX - 1)
    }
  }
}
