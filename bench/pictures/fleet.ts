/** `npx tsx bench/pictures/fleet.ts`: measures what replicas cost each other and draws docs/fleet-scale.svg. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LineChart } from 'echarts/charts'
import { GridComponent, TitleComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { boardScale, REPLICAS, type BoardScale } from '../fleet/board-scale.ts'

/** Readable on a light and on a dark page. */
const INK = '#808890'
const WEIR = '#0072b2'

use([LineChart, GridComponent, TitleComponent, SVGRenderer])
const scales = await boardScale(false)
const chart = init(null, null, { renderer: 'svg', ssr: true, width: 860, height: 460 })

const panels = [
  { title: 'commands a second, one replica', of: (scale: BoardScale) => scale.commandsPerSecond },
  { title: 'KB a second, one replica', of: (scale: BoardScale) => scale.bytesPerSecond / 1000 },
  { title: '% of a core to merge, one replica', of: (scale: BoardScale) => scale.mergeCpuPercent },
  { title: "% of the server's core, all replicas", of: (scale: BoardScale) => scale.serverCpuPercent },
]
const axis = {
  type: 'log',
  axisLabel: { color: INK },
  axisLine: { lineStyle: { color: INK } },
  splitLine: { show: false },
} as const
const decade = (value: number): number => 10 ** Math.floor(Math.log10(value))
const column = (panel: number): string => (panel % 2 === 0 ? '7%' : '57%')
const row = (panel: number): number => (panel < 2 ? 0 : 220)
chart.setOption({
  animation: false,
  title: panels.map(({ title }, panel) => ({
    text: title,
    left: panel % 2 === 0 ? '4%' : '53%',
    top: row(panel),
    textStyle: { color: INK, fontSize: 14, fontWeight: 'normal' },
  })),
  grid: panels.map((_, panel) => ({ left: column(panel), width: '38%', top: row(panel) + 36, height: 130 })),
  xAxis: panels.map((_, gridIndex) => ({
    ...axis,
    gridIndex,
    name: 'replicas',
    nameLocation: 'middle',
    nameGap: 24,
    nameTextStyle: { color: INK },
  })),
  yAxis: panels.map(({ of }, gridIndex) => {
    const least = Math.min(...REPLICAS.map((replicas) => of(at(replicas))))
    const most = Math.max(...REPLICAS.map((replicas) => of(at(replicas))))
    return { ...axis, gridIndex, min: decade(least), max: 10 * decade(most) }
  }),
  series: panels.map(({ of }, panel) => ({
    type: 'line',
    xAxisIndex: panel,
    yAxisIndex: panel,
    color: WEIR,
    symbol: 'circle',
    symbolSize: 6,
    label: { show: true, color: INK, formatter: ({ value }: { value: unknown }) => shown(value) },
    data: REPLICAS.map((replicas) => [replicas, of(at(replicas))]),
  })),
})
writeFileSync(join(import.meta.dirname, '..', '..', 'docs', 'fleet-scale.svg'), chart.renderToSVGString())
chart.dispose()
process.stdout.write(`${JSON.stringify(scales, undefined, 2)}\n`)
process.exit(0)

function at(replicas: (typeof REPLICAS)[number]): BoardScale {
  const scale = scales[`replicas${replicas}`]
  if (scale === undefined) throw new Error(`no figures for ${replicas} replicas`)
  return scale
}

function shown(value: unknown): string {
  const figure = Array.isArray(value) ? Number(value[1]) : Number.NaN
  return String(Number(figure.toPrecision(2)))
}
