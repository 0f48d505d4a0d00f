/** The journal beside another one: before and after, without Weir and with it. */
import { svgChart } from '../charts/svg-chart.ts'
import { timelineChart } from '../charts/timeline-chart.ts'
import { FIGURES, type FigureRow } from '../figures.ts'
import type { Findings } from '../findings.ts'
import { usedUpstreams } from './first-screen.ts'
import { markup, type Markup } from './markup.ts'
import { tableOf } from './table.ts'

export interface Against {
  /** What the two are called, in a few words. */
  readonly own: string
  readonly other: string
  readonly findings: Findings
}

export function againstSection(findings: Findings, { own, other, findings: compared }: Against): Markup {
  const shown = usedUpstreams(compared).slice(0, 12)
  return markup`<section id="against"><h2>${own}, and ${other}</h2>
${tableOf<FigureRow>(
  [
    { head: '', cell: ({ name }) => name },
    { head: own, cell: ({ value }) => value(findings) },
    { head: other, cell: ({ value }) => value(compared) },
  ],
  FIGURES,
  { caption: 'The same figures of both journals' },
)}
<figure><figcaption><b>${other}</b>: how each upstream was seen.</figcaption>
${svgChart({ title: `Condition of each upstream over time: ${other}`, description: 'As in the first timeline.' }, (width) => timelineChart(compared, shown, width))}</figure></section>`
}
