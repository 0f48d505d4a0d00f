/** What a stranger reads in a minute: three sentences, six figures, one timeline. */
import { CONDITIONS } from '../../../core/model.ts'
import { conditionColour, SIGNS } from '../charts/condition-look.ts'
import { svgChart } from '../charts/svg-chart.ts'
import { timelineChart } from '../charts/timeline-chart.ts'
import type { Findings, UpstreamFindings } from '../findings.ts'
import { sayClock, sayMany, saySpan } from '../say.ts'
import { keyFigures, sentences } from '../summary.ts'
import { keyOf, type KeyItem } from './key.ts'
import { markup, NOTHING, type Markup } from './markup.ts'
import { folded, tableOf } from './table.ts'

/** Rows of the timeline. */
const MOST_ROWS = 12

export function firstScreen(findings: Findings): Markup {
  return markup`${leftOut(findings)}
    <div class="lead">${sentences(findings).map((sentence) => markup`<p>${sentence}</p>`)}</div>
    <dl class="figures">
      ${keyFigures(findings).map(
        ({ label, value, note, bad }) =>
          markup`<div>
            <dt>${label}</dt>
            <dd class="value${bad ? markup` bad` : undefined}">${value}</dd>
            <dd class="of">${note}</dd>
          </div>`,
      )}
    </dl>
    ${findings.total.arrivals === 0 ? NOTHING : timeline(findings)}`
}

/** Upstreams that had calls or news. */
export function usedUpstreams({ upstreams }: Findings): readonly UpstreamFindings[] {
  return upstreams.filter(({ traffic, conditions }) => traffic.arrivals > 0 || conditions.marks.length > 0)
}

function timeline(findings: Findings): Markup {
  const used = usedUpstreams(findings)
  const shown = used.slice(0, MOST_ROWS)
  const isSeen = shown.some(({ conditions }) => conditions.stretches.length > 0)
  const more = used.length - shown.length
  const chart = svgChart(
    {
      title: 'Condition of each upstream over time',
      description: shown.map(describe).join(' '),
    },
    (width) => timelineChart(findings, shown, width),
  )
  return markup`<figure aria-label="Timeline of conditions and events">
    <figcaption>
      <b
        >${isSeen ? 'How each upstream was seen, and what was noticed when' : 'How much came to nothing, by upstream'}.</b
      >
      ${
        isSeen ? '' : 'This journal holds no conditions: it was not written by a core of Weir. '
      }${findings.worst === null ? '' : 'The dashed frame is the worst stretch. '}Times
      are UTC${more > 0 ? `; ${sayMany(more, 'upstream')} with less trouble not shown` : ''}.
    </figcaption>
    ${chart}${isSeen ? conditionKey(shown) : shareKey()}${isSeen ? folded(eventTable(shown), 'Conditions and events as a table') : undefined}
  </figure>`
}

function describe({ name, conditions }: UpstreamFindings): string {
  const unwell = conditions.stretches.filter(
    ({ condition }) => condition !== 'healthy' && condition !== 'watch',
  )
  if (unwell.length === 0) return `${name}: healthy.`
  const parts = unwell
    .slice(0, 8)
    .map(({ condition, fromMs, toMs }) => `${condition} from ${sayClock(fromMs)} to ${sayClock(toMs)}`)
  return `${name}: ${parts.join(', ')}.`
}

function conditionKey(shown: readonly UpstreamFindings[]): Markup {
  const seen = new Set(
    shown.flatMap(({ conditions }) => conditions.stretches.map(({ condition }) => condition)),
  )
  const told = new Set(shown.flatMap(({ conditions }) => conditions.marks.map(({ name }) => name)))
  const colours: KeyItem[] = CONDITIONS.filter((condition) => seen.has(condition)).map((condition) => ({
    text: condition,
    colour: conditionColour(condition),
  }))
  const signs = Object.entries(SIGNS).flatMap(([name, { sign, text }]) =>
    [...told].some((event) => event === name) ? [{ sign, text }] : [],
  )
  return markup`${keyOf(colours)}${keyOf(signs)}`
}

function shareKey(): Markup {
  const texts = ['2 %', '10 %', '25 %', '50 %', '75 %']
  return keyOf([
    { text: 'under 2 % came to nothing', colour: 'var(--is-healthy)' },
    ...texts.map((text, index) => ({ text: `from ${text}`, colour: `var(--heat-${index + 1})` })),
  ])
}

interface EventRow {
  readonly upstream: string
  readonly what: string
  readonly at: number
  readonly readings: string
}

function eventTable(shown: readonly UpstreamFindings[]): Markup {
  const rows: EventRow[] = shown.flatMap(({ name, conditions }) => [
    ...conditions.stretches.map(({ condition, fromMs, toMs }) => ({
      upstream: name,
      what: `${condition} for ${saySpan(toMs - fromMs)}`,
      at: fromMs,
      readings: '',
    })),
    ...conditions.marks.map(({ name: what, atMs, readings, agent, workflow, root }) => ({
      upstream: name,
      what: [what, agent, workflow, root === undefined || root === name ? undefined : `root: ${root}`]
        .filter((word) => word !== undefined)
        .join(' '),
      at: atMs,
      readings: readingsText(readings),
    })),
  ])
  return tableOf<EventRow>(
    [
      { head: 'upstream', cell: ({ upstream }) => upstream, isText: true },
      { head: 'at', cell: ({ at }) => sayClock(at, true), value: ({ at }) => at, isText: true },
      { head: 'what', cell: ({ what }) => what, isText: true },
      { head: 'with these numbers', cell: ({ readings }) => readings, isText: true },
    ],
    rows.toSorted((a, b) => a.at - b.at).slice(0, 200),
    { caption: 'Conditions and events in the order of time, 200 at most', sortable: true },
  )
}

/** Those that say something: zeros and infinities left out. */
function readingsText(readings: Readonly<Record<string, number | null>>): string {
  return Object.entries(readings)
    .flatMap(([name, value]) =>
      value === null || value === 0 ? [] : [`${name} ${Math.round(value * 100) / 100}`],
    )
    .slice(0, 8)
    .join(', ')
}

function leftOut({ source }: Findings): Markup {
  const { leftOut: parts, leftOutMore, dropped, late } = source
  if (parts.length === 0 && dropped === 0 && late === 0) return NOTHING
  return markup`<div class="warn" role="note">
    ${
      parts.length === 0
        ? undefined
        : markup`<p><b>Not all of the journal is in this report.</b> Left out:</p>
            <ul>
              ${parts.map(
                ({ file, line, reason }) =>
                  markup`<li>${line === 0 ? file : `${file}:${line}`}: ${reason}</li>`,
              )}
            </ul>
            ${leftOutMore > 0 ? markup`<p>and ${sayMany(leftOutMore, 'more place')}.</p>` : undefined}`
    }${
      dropped === 0
        ? undefined
        : markup`<p>
            The writer of the journal dropped ${sayMany(dropped, 'line')} (a full disk, or more than it could
            write): counts are too low by that.
          </p>`
    }${
      late === 0
        ? undefined
        : markup`<p>
            ${sayMany(late, 'call')} lasted far longer than the others and could not be put into their place in time: whether they were retries may be misjudged.
          </p>`
    }
  </div>`
}
