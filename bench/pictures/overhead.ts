/**
 * `npx tsx bench/pictures/overhead.ts REPORT.json`: draws docs/overhead.svg from what
 * `npm run --silent bench -- overhead --json` printed. Microseconds of CPU per call, one panel for each shape.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BarChart } from 'echarts/charts'
import { GridComponent, TitleComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'

/** Readable on a light and on a dark page. */
const INK = '#808890'
const WEIR = '#0072b2'
const OTHERS = '#a8b0b8'

/** Slowest at the top, so that Weir is seen between them; those missing in a run are left out. */
const NAMES: Readonly<Record<string, string>> = {
  portkey: '@portkey-ai/gateway',
  httpProxy: 'http-proxy',
  httpProxyKeepAlive: 'http-proxy, keep-alive',
  replyFrom: '@fastify/reply-from',
  weir: 'Weir',
  rawLimit: 'bare sockets in Node',
  haproxy: 'HAProxy',
  nginx: 'nginx',
}

interface Costs {
  readonly cpuUs: Readonly<Record<string, number>>
}

const { figures } = JSON.parse(readFileSync(process.argv[2] ?? '/dev/stdin', 'utf8')) as {
  figures: Costs & Readonly<Record<'post2k' | 'post512k' | 'sse', Costs>>
}
const panels = [
  { title: 'GET, 1 KiB answer', costs: figures },
  { title: 'POST 2 KiB', costs: figures.post2k },
  { title: 'POST 512 KiB', costs: figures.post512k },
  { title: 'SSE, 200 events', costs: figures.sse },
].map(({ title, costs }) => {
  const arms = Object.keys(NAMES).filter((arm) => costs.cpuUs[arm] !== undefined)
  return { title, arms: arms.toReversed(), costs: costs.cpuUs }
})

use([BarChart, GridComponent, TitleComponent, SVGRenderer])
const chart = init(null, null, { renderer: 'svg', ssr: true, width: 860, height: 520 })
const left = (panel: number): string => (panel % 2 === 0 ? '19%' : '69%')
const top = (panel: number): number => (panel < 2 ? 40 : 300)

chart.setOption({
  animation: false,
  title: panels.map(({ title }, panel) => ({
    text: `${title} (µs of CPU per call)`,
    left: left(panel),
    top: top(panel) - 32,
    textStyle: { color: INK, fontSize: 13, fontWeight: 'normal' },
  })),
  grid: panels.map((_, panel) => ({ left: left(panel), top: top(panel), width: '25%', height: 190 })),
  xAxis: panels.map((_, gridIndex) => ({
    type: 'log',
    gridIndex,
    min: 10,
    axisLabel: { color: INK },
    axisLine: { lineStyle: { color: INK } },
    splitLine: { show: false },
  })),
  yAxis: panels.map(({ arms }, gridIndex) => ({
    type: 'category',
    gridIndex,
    data: arms.map((arm) => NAMES[arm]),
    axisLabel: { color: INK },
    axisLine: { lineStyle: { color: INK } },
    axisTick: { show: false },
  })),
  series: panels.map(({ arms, costs }, panel) => ({
    type: 'bar',
    xAxisIndex: panel,
    yAxisIndex: panel,
    label: { show: true, position: 'right', color: INK },
    data: arms.map((arm) => ({
      value: Math.round(costs[arm] ?? 0),
      itemStyle: { color: arm === 'weir' ? WEIR : OTHERS },
    })),
  })),
})
writeFileSync(join(import.meta.dirname, '..', '..', 'docs', 'overhead.svg'), chart.renderToSVGString())
chart.dispose()
