/** What Weir did, or would have done. */
import { stackedColumns, type Series } from '../charts/column-charts.ts'
import { svgChart } from '../charts/svg-chart.ts'
import type { Findings } from '../findings.ts'
import { sayCount, sayLatency, sayMany, saySpan } from '../say.ts'
import type { ActFindings, ActRow } from '../weir-acts.ts'
import { keyOf } from './key.ts'
import { markup, type Markup } from './markup.ts'
import { tableOf } from './table.ts'
import { whatIfPart } from './what-if-part.ts'

const MOST_ROWS = 20

const VERDICT_TEXT = { pass: 'passed', hold: 'held', defer: 'deferred', shed: 'turned away' } as const

export function weirSection(findings: Findings): Markup {
  const { source, weir, whatIf } = findings
  const { did, shadow } = weir
  const isActing = source.mode === 'enforced'
  return markup`<section id="weir">
    <h2>${isActing ? 'What Weir did' : 'What Weir would have done'}</h2>
    ${isActing ? acted(findings) : undefined} ${shadow.rows.length > 0 ? noted(findings) : undefined}
    ${!isActing && shadow.rows.length === 0 && whatIf === undefined ? markup`<p class="note">${silent(source.mode)}</p>` : undefined}
    ${did.slotsKept > 0 ? markup`<p>${sayMany(did.slotsKept, 'call')} came back at the slot that they had been given.</p>` : undefined}
    ${whatIf === undefined ? undefined : whatIfPart(findings, whatIf)}
  </section>`
}

function silent(mode: Findings['source']['mode']): string {
  return mode === 'imported'
    ? 'This journal was imported: no rule has seen its calls. --what-if asks what the shipped policies would have done, weir replay asks it of others.'
    : 'No rule acted, and none in shadow mode would have. --what-if asks what the shipped policies would have done, weir replay asks it of others.'
}

function acted(findings: Findings): Markup {
  const { did } = findings.weir
  const { holdMs } = did
  const waits =
    holdMs === null
      ? ''
      : ` They waited ${sayLatency(holdMs.p50)} in the middle and ${sayLatency(holdMs.p99)} at the most but one in a hundred.`
  return markup`<p>
      ${sayMany(did.held, 'call')} held: ${sayCount(did.released)} went out in the end,
      ${sayCount(did.expired)} were asked to come back, ${sayCount(did.leftWhileHeld)} left while they
      waited.${waits} ${sayMany(did.shed, 'call')} turned away at
      once${did.deferred > 0 ? `, ${sayCount(did.deferred)} deferred` : ''}.
    </p>
    ${overTime(findings, did, 'held', 'turned away', 'What Weir did, over time')}
    ${rules(did, 'Verdicts by reason and rule')}`
}

function noted(findings: Findings): Markup {
  const { shadow } = findings.weir
  return markup`<h3>Noted by rules in shadow mode</h3>
    <p>
      ${sayMany(shadow.held, 'call')} would have been held${shadow.shed > 0 ? `, ${sayCount(shadow.shed)} turned away with a time of their own to come back` : ''}${shadow.deferred > 0 ? `, ${sayCount(shadow.deferred)} deferred` : ''}.
      Nothing was done to them. The agents would have behaved otherwise if it had been: fewer retries, and so
      fewer calls to hold.
    </p>
    ${overTime(findings, shadow, 'would have been held', 'would have been turned away', 'What rules in shadow mode would have done, over time')}
    ${rules(shadow, 'Shadow verdicts by reason and rule')}`
}

function overTime(
  findings: Findings,
  acts: ActFindings,
  held: string,
  refused: string,
  title: string,
): Markup {
  if (acts.held + acts.shed + acts.deferred === 0) return markup``
  const series: Series[] = [
    { name: held, colour: 'var(--is-drifting)', values: acts.series.held },
    { name: refused, colour: 'var(--end-refused)', values: acts.series.refused },
  ].filter(({ values }) => values.some((value) => value > 0))
  return markup`<figure>
    <figcaption>Calls per ${saySpan(findings.time.bucketMs)}, by the time of their arrival.</figcaption>
    ${svgChart({ title, description: `${held}: ${sayCount(acts.held)}; ${refused}: ${sayCount(acts.shed + acts.deferred)}.` }, (width) => stackedColumns(findings, series, width))}
    ${keyOf(series.map(({ name, colour }) => ({ text: name, colour })))}
  </figure>`
}

function rules({ rows }: ActFindings, caption: string): Markup {
  return tableOf<ActRow>(
    [
      { head: 'verdict', cell: (row) => VERDICT_TEXT[row.do], isText: true },
      { head: 'reason', cell: ({ reason }) => reason, isText: true },
      { head: 'rule', cell: ({ rule }) => rule ?? '-', isText: true },
      { head: 'calls', cell: ({ count }) => sayCount(count), value: ({ count }) => count },
    ],
    rows.slice(0, MOST_ROWS),
    { caption, sortable: true },
  )
}
