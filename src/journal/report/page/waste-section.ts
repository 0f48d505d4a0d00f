/** Wasted work: attempts per success, and what was spent on calls that came to nothing. */
import { FATES, type Fate } from '../call-fate.ts'
import { HIGHEST_RATIO, ratioLines, stackedColumns, type Series } from '../charts/column-charts.ts'
import { svgChart } from '../charts/svg-chart.ts'
import type { Findings, UpstreamFindings } from '../findings.ts'
import { sayBytes, sayCount, sayMoney, sayPrice, sayRatio, sayShare, saySpan } from '../say.ts'
import { keyOf } from './key.ts'
import { markup, type Markup } from './markup.ts'
import { tableOf } from './table.ts'

const FATE_TEXT: Readonly<Record<Fate, string>> = {
  answered: 'answered',
  throttled: 'throttled by the upstream (429, 503, 529)',
  failed: 'failed',
  abandoned: 'given up by the client',
  refused: 'turned away by Weir',
  deferred: 'deferred by Weir',
}
const MOST_LINES = 6
/** Fewer calls make no ratio. */
const FEWEST_SENT = 3

export function wasteSection(findings: Findings, upstreams: readonly UpstreamFindings[]): Markup {
  const { total, pricePerCall, currency } = findings
  const lines = upstreams.filter(({ traffic }) => traffic.sent > 0).slice(0, MOST_LINES)
  const ratios = lines.map(({ name, traffic }, index): Series => {
    const { sent, fates } = traffic.series
    return {
      name,
      colour: `var(--line-${index + 1})`,
      values: sent.map((count, column) => ratioOf(count, fates.answered[column]!)),
    }
  })
  const used = FATES.filter((fate) => total.fates[fate] > 0)
  const stacks = used.map((fate): Series => ({
    name: fate,
    colour: `var(--end-${fate})`,
    values: total.series.fates[fate],
  }))
  return markup`<section id="waste">
    <h2>Wasted work</h2>
    <p>
      ${sayCount(total.sent)} calls were sent upstream for ${sayCount(total.fates.answered)} that were
      answered${
        total.attemptsPerSuccess === null
          ? ''
          : `: ${sayRatio(total.attemptsPerSuccess)} attempts per success`
      }.
      What was spent on the others, at ${sayPrice(pricePerCall, currency)} for each call that was sent:
    </p>
    ${wasteTable(findings, upstreams)}
    <h3>Attempts per success</h3>
    <figure>
      <figcaption>
        1 is perfect: every call that is sent is answered. Cut off at ${HIGHEST_RATIO}, which also stands for: nothing was answered.
      </figcaption>
      ${svgChart(
        {
          title: 'Attempts per success over time, by upstream',
          description: lines
            .map(({ name, traffic }) =>
              traffic.attemptsPerSuccess === null
                ? `${name}: none answered.`
                : `${name}: ${sayRatio(traffic.attemptsPerSuccess)} over all.`,
            )
            .join(' '),
        },
        (width) => ratioLines(findings, ratios, width),
      )}
      ${keyOf(ratios.map(({ name, colour }) => ({ text: name, colour, isLine: true })))}
    </figure>
    <h3>How calls ended</h3>
    <figure>
      <figcaption>Calls to all upstreams, per ${saySpan(findings.time.bucketMs)}.</figcaption>
      ${svgChart(
        {
          title: 'How calls ended, over time',
          description: used.map((fate) => `${FATE_TEXT[fate]}: ${sayCount(total.fates[fate])}.`).join(' '),
        },
        (width) => stackedColumns(findings, stacks, width),
      )}
      ${keyOf(used.map((fate) => ({ text: `${FATE_TEXT[fate]}: ${sayCount(total.fates[fate])}`, colour: `var(--end-${fate})` })))}
    </figure>
  </section>`
}

/** Nothing answered is as bad as it gets: drawn where the line is cut off. */
function ratioOf(sent: number, answered: number): number | null {
  return sent < FEWEST_SENT ? null : answered === 0 ? HIGHEST_RATIO : sent / answered
}

interface WasteRow {
  readonly name: string
  readonly traffic: Findings['total']
}

function wasteTable(
  { total, pricePerCall, currency }: Findings,
  upstreams: readonly UpstreamFindings[],
): Markup {
  const money = ({ traffic }: WasteRow): number => traffic.waste.sent * pricePerCall
  const hasRefused = total.fates.refused > 0
  return tableOf<WasteRow>(
    [
      { head: 'upstream', cell: ({ name }) => name },
      {
        head: 'arrived',
        cell: ({ traffic }) => sayCount(traffic.arrivals),
        value: ({ traffic }) => traffic.arrivals,
      },
      {
        head: 'of them retries',
        cell: ({ traffic }) => sayCount(traffic.retries),
        value: ({ traffic }) => traffic.retries,
      },
      { head: 'sent', cell: ({ traffic }) => sayCount(traffic.sent), value: ({ traffic }) => traffic.sent },
      {
        head: 'answered',
        cell: ({ traffic }) => sayCount(traffic.fates.answered),
        value: ({ traffic }) => traffic.fates.answered,
      },
      {
        head: 'attempts per success',
        cell: ({ traffic }) =>
          traffic.attemptsPerSuccess === null ? '-' : sayRatio(traffic.attemptsPerSuccess),
        value: ({ traffic }) => traffic.attemptsPerSuccess ?? Number.MAX_SAFE_INTEGER,
      },
      {
        head: 'for nothing',
        cell: ({ traffic }) =>
          `${sayCount(traffic.waste.calls)} (${sayShare(traffic.waste.calls / Math.max(1, traffic.arrivals))})`,
        value: ({ traffic }) => traffic.waste.calls,
      },
      ...(hasRefused
        ? [
            {
              head: 'turned away',
              cell: ({ traffic }: WasteRow) => sayCount(traffic.fates.refused),
              value: ({ traffic }: WasteRow) => traffic.fates.refused,
            },
          ]
        : []),
      {
        head: 'time',
        cell: ({ traffic }) => saySpan(traffic.waste.ms),
        value: ({ traffic }) => traffic.waste.ms,
      },
      {
        head: 'bytes',
        cell: ({ traffic }) => sayBytes(traffic.waste.bytes),
        value: ({ traffic }) => traffic.waste.bytes,
      },
      { head: 'money', cell: (row) => sayMoney(money(row), currency), value: money },
    ],
    upstreams,
    {
      caption: 'Calls that came to nothing, by upstream',
      sortable: true,
      ...(upstreams.length > 1 ? { rest: { name: 'all upstreams', traffic: total } } : {}),
    },
  )
}
