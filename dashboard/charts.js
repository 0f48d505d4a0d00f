/**
 * Response times of the last five minutes, one small chart per upstream: p50 and p99 as lines, their healthy
 * reference as dashes, and the condition as a strip below, so that a line that climbs and what Weir made of it are
 * seen together.
 */
import { CONDITIONS } from './conditions.js'
import { byId, element, keepRows, setText } from './dom.js'
import { latency, timeOfDay } from './format.js'
import { colour } from './theme.js'
import uPlot from './vendor/uplot.js'

/** @typedef {import('../src/admin/live-frame.ts').LiveFrame} LiveFrame */
/** @typedef {import('../src/admin/live-history.ts').LiveHistory} LiveHistory */
/** @typedef {{ at: number[], lines: (number | null)[][], condition: number[] }} Series */

const SPAN_S = 300
const GAP_S = 5
/** Charts at once; more upstreams than that are in the table. */
const MOST = 8
const HEIGHT = 150
const STRIP = 4

const LINES = [
  { label: 'p50', colour: '--p50', dash: [] },
  { label: 'p99', colour: '--p99', dash: [] },
  { label: 'healthy p50', colour: '--p50', dash: [4, 4] },
  { label: 'healthy p99', colour: '--p99', dash: [4, 4] },
]

const LOOKS = ['calm', 'watch', 'recovering', 'drifting', 'storming', 'degraded', 'down']

/** @returns {{ refill(history: LiveHistory): void, add(frame: LiveFrame): void, redraw(): void }} */
export function charts() {
  const grid = byId('charts', HTMLElement)
  /** @type {Map<string, Series>} */
  let series = new Map()
  /** @type {Map<string, Chart>} */
  const shown = new Map()

  const draw = () => {
    const names = [...series.keys()].slice(0, MOST)
    keepRows(
      grid,
      names,
      (name) => name,
      (name) => {
        const chart = new Chart(name)
        shown.set(name, chart)
        return chart.figure
      },
      () => {},
    )
    for (const [name, chart] of shown) {
      const own = series.get(name)
      if (own === undefined) {
        chart.plot?.destroy()
        shown.delete(name)
      } else chart.draw(own)
    }
  }
  return {
    refill(history) {
      series = new Map(
        history.upstreams.map(({ name, p50, p99, healthyP50, healthyP99, condition }) => [
          name,
          withGaps({
            at: [...history.times],
            lines: [p50, p99, healthyP50, healthyP99].map((values) => values.map(known)),
            condition: [...condition],
          }),
        ]),
      )
    },
    add(frame) {
      const now = Date.parse(frame.time) / 1000
      for (const { name, latency: last, baseline, condition } of frame.upstreams) {
        const own = series.get(name) ?? { at: [], lines: LINES.map(() => []), condition: [] }
        series.set(name, own)
        const before = own.at.at(-1)
        if (before !== undefined && before >= now) continue
        // Nobody watched in between: the line breaks instead of telling of what was not seen.
        if (before !== undefined && now - before > GAP_S) append(own, now - 1, [], 0)
        const values = [last.p50, last.p99, baseline.p50, baseline.p99].map(known)
        append(own, now, values, CONDITIONS.indexOf(condition))
        while ((own.at[0] ?? now) < now - SPAN_S) {
          own.at.shift()
          own.condition.shift()
          for (const line of own.lines) line.shift()
        }
      }
      draw()
    },
    redraw() {
      for (const chart of shown.values()) chart.restyle()
      draw()
    },
  }
}

class Chart {
  /** @param {string} name */
  constructor(name) {
    this.legend = LINES.map(({ label, dash }, index) =>
      element(
        'span',
        { class: `key key-${index % 2 === 0 ? 'p50' : 'p99'}${dash.length > 0 ? ' dashed' : ''}` },
        label,
        ' ',
        element('b', {}, '–'),
      ),
    )
    this.when = element('span', { class: 'when' }, 'now')
    this.box = element('div', { class: 'plot', 'aria-hidden': 'true' })
    this.figure = element(
      'figure',
      { class: 'chart', 'data-upstream': name },
      element('figcaption', {}, element('strong', {}, name), this.when, ...this.legend),
      this.box,
    )
    /** @type {Series} */
    this.series = { at: [], lines: [], condition: [] }
    /** @type {uPlot | undefined} */
    this.plot = undefined
    new ResizeObserver(() => {
      if (this.box.clientWidth > 0) this.plot?.setSize({ width: this.box.clientWidth, height: HEIGHT })
    }).observe(this.box)
  }

  /** @param {Series} series */
  draw(series) {
    this.series = series
    this.plot ??= this.#create()
    const until = series.at.at(-1) ?? 0
    this.plot.setData([series.at, ...series.lines], false)
    this.plot.batch(() => {
      this.plot?.setScale('x', { min: until - SPAN_S, max: until })
      this.plot?.setScale('y', { min: 0, max: top(series) })
    })
    this.#label(this.plot.cursor.idx)
  }

  /** Colours are of the theme, and uPlot keeps those it began with. */
  restyle() {
    this.plot?.destroy()
    this.plot = undefined
  }

  #create() {
    const grid = { stroke: colour('--grid'), width: 1 }
    const axis = {
      stroke: colour('--muted'),
      grid,
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    }
    return new uPlot(
      {
        width: Math.max(200, this.box.clientWidth),
        height: HEIGHT,
        padding: [8, 16, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, points: { size: 6 }, y: false },
        scales: { x: { time: true, auto: false }, y: { auto: false } },
        series: [
          {},
          ...LINES.map((line) => ({
            stroke: colour(line.colour),
            width: line.dash.length > 0 ? 1 : 1.5,
            dash: line.dash,
            points: { show: false },
            spanGaps: false,
          })),
        ],
        axes: [
          { ...axis, size: 22, incrs: [60], values: (_plot, splits) => splits.map(clockOf) },
          {
            ...axis,
            size: 50,
            space: 32,
            values: (_plot, splits) => splits.map((ms) => (ms === 0 ? '0' : latency(ms))),
          },
        ],
        hooks: {
          drawClear: [(plot) => this.#strip(plot)],
          setCursor: [(plot) => this.#label(plot.cursor.idx)],
        },
      },
      [[], ...LINES.map(() => [])],
      this.box,
    )
  }

  /** The condition over time, on the lower edge. @param {uPlot} plot */
  #strip(plot) {
    const { ctx } = plot
    const { left, top: y, width, height } = plot.bbox
    const strip = STRIP * devicePixelRatio
    const { at, condition } = this.series
    let from = 0
    for (let index = 1; index <= at.length; index++) {
      if (index < at.length && condition[index] === condition[from]) continue
      const look = condition[from] ?? 0
      const start = Math.max(left, plot.valToPos(at[from] ?? 0, 'x', true))
      const end = Math.min(left + width, plot.valToPos(at[index] ?? at[index - 1] ?? 0, 'x', true))
      from = index
      if (look <= 0 || end <= start) continue
      ctx.fillStyle = colour(`--${LOOKS[look]}`)
      ctx.globalAlpha = 0.1
      ctx.fillRect(start, y, end - start, height - strip)
      ctx.globalAlpha = 1
      ctx.fillRect(start, y + height - strip, end - start, strip)
    }
  }

  /** @param {number | null | undefined} index of the instant under the pointer; none = the last one */
  #label(index) {
    const { at, lines, condition } = this.series
    const last = at.length - 1
    const shown = index ?? last
    const time = at[shown]
    const seen = CONDITIONS[condition[shown] ?? 0] ?? ''
    setText(this.when, time === undefined || shown === last ? 'now' : `${timeOfDay(time * 1000)} ${seen}`)
    for (const [line, key] of this.legend.entries()) {
      const value = key.lastElementChild
      if (value !== null) setText(value, latency(lines[line]?.[shown]))
    }
  }
}

/** A break in the lines wherever nobody watched. @param {Series} series @returns {Series} */
function withGaps(series) {
  /** @type {Series} */
  const result = { at: [], lines: series.lines.map(() => []), condition: [] }
  for (const [index, time] of series.at.entries()) {
    const before = series.at[index - 1] ?? time
    if (time - before > GAP_S) append(result, time - 1, [], 0)
    const values = series.lines.map((line) => line[index] ?? null)
    append(result, time, values, series.condition[index] ?? 0)
  }
  return result
}

/** @param {Series} series @param {number} at @param {readonly (number | null)[]} values absent = a break @param {number} condition */
function append(series, at, values, condition) {
  series.at.push(at)
  series.condition.push(condition)
  for (const [index, line] of series.lines.entries()) line.push(values[index] ?? null)
}

/** No sample is a gap, not a zero. @param {number} value */
function known(value) {
  return value === 0 ? null : value
}

/** Room above the highest line. @param {Series} series */
function top({ lines }) {
  let most = 0
  for (const line of lines) for (const value of line) most = Math.max(most, value ?? 0)
  return Math.max(10, most * 1.1)
}

const hoursAndMinutes = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })

/** @param {number} seconds since 1970 */
function clockOf(seconds) {
  return hoursAndMinutes.format(seconds * 1000)
}
