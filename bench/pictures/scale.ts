/** `npx tsx bench/pictures/scale.ts`: runs the bench `scale` and draws docs/scale.svg, the README's picture of it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LineChart } from 'echarts/charts'
import { GridComponent, LegendComponent, TitleComponent } from 'echarts/components'
import { init, use } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { AGENTS, run, type Worth } from '../scale.ts'

/** Readable on a light and on a dark page. */
const INK = '#808890'
const DIRECT = '#d55e00'
const WEIR = '#0072b2'

use([LineChart, GridComponent, LegendComponent, TitleComponent, SVGRenderer])
const { grown } = await run({ smoke: false })
const chart = init(null, null, { renderer: 'svg', ssr: true, width: 860, height: 340 })

const axis = {
  axisLabel: { color: INK },
  axisLine: { lineStyle: { color: INK } },
  splitLine: { show: false },
}
const panels = [
  { title: 'attempts wasted', of: (worth: Worth) => worth.wastedCalls },
  { title: 'calls late or lost', of: (worth: Worth) => worth.lostOnTime },
]
chart.setOption({
  animation: false,
  legend: { data: ['direct', 'with Weir'], bottom: 0, textStyle: { color: INK } },
  title: panels.map(({ title }, panel) => ({
    text: title,
    left: panel === 0 ? '4%' : '53%',
    textStyle: { color: INK, fontSize: 14, fontWeight: 'normal' },
  })),
  grid: panels.map((_, panel) => ({ left: panel === 0 ? '8%' : '57%', width: '38%', top: 40, bottom: 64 })),
  xAxis: panels.map((_, gridIndex) => ({
    ...axis,
    gridIndex,
    type: 'log',
    name: 'agents',
    nameLocation: 'middle',
    nameGap: 26,
    nameTextStyle: { color: INK },
  })),
  // A logarithm has no zero: what is none is drawn at one.
  yAxis: panels.map((_, gridIndex) => ({ ...axis, gridIndex, type: 'log', min: 1 })),
  series: panels.flatMap(({ of }, panel) =>
    (['direct', 'weir'] as const).map((arm) => ({
      type: 'line',
      name: arm === 'direct' ? 'direct' : 'with Weir',
      xAxisIndex: panel,
      yAxisIndex: panel,
      color: arm === 'direct' ? DIRECT : WEIR,
      symbol: 'circle',
      symbolSize: 6,
      data: AGENTS.map((agents) => [agents, Math.max(1, of(worthAt(agents, arm)))]),
    })),
  ),
})
writeFileSync(join(import.meta.dirname, '..', '..', 'docs', 'scale.svg'), chart.renderToSVGString())
chart.dispose()

function worthAt(agents: number, arm: 'direct' | 'weir'): Worth {
  const size = grown[`agents${agents}`]
  if (size === undefined) throw new Error(`no figures for ${agents} agents`)
  return size[arm]
}
