/**
 * One chart as text: ECharts on the server, then made fit for a page of its own: no script, no style sheet, no fixed
 * size, colours that are names of the page's palette (`var(--...)`), so that light, dark and print are the page's.
 */
import { BarChart, CustomChart, type CustomSeriesOption } from 'echarts/charts'
import { GridComponent } from 'echarts/components'
import { init, use, type EChartsCoreOption } from 'echarts/core'
import { SVGRenderer } from 'echarts/renderers'
import { escaped, Markup, showable } from '../page/markup.ts'

use([BarChart, CustomChart, GridComponent, SVGRenderer])

/** Pixels of the two renderings: one for a desk, one for a telephone. The page shows the one that fits. */
export const WIDE = 1040
export const NARROW = 360

export interface ChartText {
  /** What it is, in a few words. */
  readonly title: string
  /** What is to be seen in it. */
  readonly description: string
}

export interface Chart {
  readonly height: number
  readonly option: EChartsCoreOption
}

/** Both renderings of a chart; the page's style sheet hides one of them. */
export function svgChart(text: ChartText, draw: (width: number) => Chart): Markup {
  return new Markup(
    `<div class="wide">${render(text, WIDE, draw(WIDE))}</div><div class="narrow">${render(text, NARROW, draw(NARROW))}</div>`,
  )
}

/** One rendering, for charts that are as wide on any screen. */
export function smallChart(text: ChartText, width: number, chart: Chart): Markup {
  return new Markup(render(text, width, chart))
}

function render(text: ChartText, width: number, { height, option }: Chart): string {
  // Without a document it draws nothing but text.
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height })
  chart.setOption({
    animation: false,
    textStyle: { fontFamily: 'inherit' },
    backgroundColor: 'transparent',
    ...option,
  })
  const svg = showable(chart.renderToSVGString())
  chart.dispose()
  return cleaned(svg, text, width, height)
}

function cleaned(svg: string, { title, description }: ChartText, width: number, height: number): string {
  const body = svg
    .slice(svg.indexOf('>') + 1)
    .replaceAll(/<style[^>]*>[\s\S]*?<\/style>/g, '')
    .replaceAll(/ (?:class|ecmeta_[a-z_]+|pointer-events|xml:space)="[^"]*"/g, '')
    .replaceAll(
      /<rect width="\d+" height="\d+" x="0" y="0" fill="(?:none|transparent)"(?: fill-opacity="0")?><\/rect>\n?/g,
      '',
    )
    .replaceAll('font-family:inherit;', '')
    .replaceAll(/(\d\.\d\d)\d+/g, '$1')
    .replaceAll(/><\/(?:path|rect|circle|line|polygon|polyline)>/g, '/>')
    .replaceAll(/\n\s*/g, '')
  return (
    `<svg role="img" viewBox="0 0 ${width} ${height}" preserveAspectRatio="xMinYMin meet">` +
    `<title>${escaped(title)}</title><desc>${escaped(description)}</desc>${body}`
  )
}

type Draw = NonNullable<CustomSeriesOption['renderItem']>
type DrawApi = Parameters<Draw>[1]
export type Drawn = Exclude<ReturnType<Draw>, null | undefined | void>

/** A layer that is drawn once, with the axes at hand: `place` gives the pixels of a point in the axes' units. */
export function layer(
  drawn: (place: (x: number, y: number) => [number, number]) => readonly Drawn[],
  z = 2,
  clip = false,
): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    clip,
    z,
    data: [[0, 0]],
    // Its one data item says nothing: it must not stretch the axes.
    encode: { x: [], y: [] },
    renderItem: (_params: unknown, api: DrawApi) => {
      const place = (x: number, y: number): [number, number] => {
        const [left, top] = api.coord([x, y])
        return [left ?? 0, top ?? 0]
      }
      return { type: 'group', children: [...drawn(place)] }
    },
  }
}
