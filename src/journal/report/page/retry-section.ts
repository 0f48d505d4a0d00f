/** Correlated retries: a heat map per upstream. */
import { CONDITIONS } from '../../../core/model.ts'
import { conditionColour, SHADED } from '../charts/condition-look.ts'
import { heatChart, heatColour, heatEdges, NARROW_ROWS } from '../charts/heat-chart.ts'
import { svgChart } from '../charts/svg-chart.ts'
import type { Findings, UpstreamFindings } from '../findings.ts'
import { sayClock, sayCount, sayMany, sayShare, saySpan } from '../say.ts'
import { keyOf } from './key.ts'
import { markup, type Markup } from './markup.ts'
import { folded, tableOf } from './table.ts'

const MOST_MAPS = 4
/** Fewer retries make no map. */
const FEWEST = 3

export function retrySection(findings: Findings, upstreams: readonly UpstreamFindings[]): Markup {
  const retried = upstreams
    .filter(({ heat }) => heat.retries >= FEWEST)
    .toSorted((a, b) => b.heat.retries - a.heat.retries)
  const shown = retried.slice(0, MOST_MAPS)
  const { total } = findings
  return markup`<section id="retries">
    <h2>Correlated retries</h2>
    <p>
      ${sayMany(total.retries, 'arrival')} of ${sayCount(total.arrivals)}
      (${sayShare(total.retries / Math.max(1, total.arrivals))}) were retries of a call that had failed
      before. One agent that retries is its own affair; a column full of them is a storm: clients that know
      nothing of each other load an upstream at the moment at which it can bear least.
    </p>
    ${shown.length === 0 ? markup`<p class="note">Too few retries for a map.</p>` : shown.map((upstream) => map(findings, upstream))}
    ${retried.length > shown.length ? markup`<p class="note">${sayMany(retried.length - shown.length, 'upstream')} with fewer retries not drawn.</p>` : undefined}
  </section>`
}

function map(findings: Findings, { name, heat, conditions }: UpstreamFindings): Markup {
  const { seriesFromMs, bucketMs } = findings.time
  const peak = heat.distinct.indexOf(Math.max(...heat.distinct))
  const worst = `${sayMany(heat.distinct[peak] ?? 0, 'agent')} within ${saySpan(bucketMs)} at ${sayClock(seriesFromMs + peak * bucketMs)}`
  const edges = heatEdges(heat)
  const lower = [1, ...edges.map((edge) => edge + 1)]
  const seen = new Set(conditions.stretches.map(({ condition }) => condition))
  const unwell = seen.size > 0
  const most = Math.max(1, Math.round(Math.max(...heat.rows.flatMap(({ cells }) => cells))))
  return markup`<h3>${name}</h3>
    <figure>
      <figcaption>
        ${sayMany(heat.retries, 'retry', 'retries')} by ${sayMany(heat.agents, 'agent')};
        most at once: <b>${worst}</b>. Above the map: agents that retried, per
        ${saySpan(bucketMs)}${unwell ? ', and the condition of the upstream' : ''}.
      </figcaption>
      ${svgChart(
        {
          title: `Retries at ${name}: agents by time`,
          description: `${sayMany(heat.retries, 'retry', 'retries')} by ${sayMany(heat.agents, 'agent')}; most at once ${worst}.`,
        },
        (width) => heatChart(findings, heat, conditions.stretches, width),
      )}
      ${keyOf([
        ...lower.map((from, step) => ({
          text:
            step === lower.length - 1
              ? from === most
                ? `${from}`
                : `${from} to ${most}`
              : edges[step] === from
                ? String(from)
                : `${from} to ${edges[step]}`,
          colour: `var(--heat-${heatColour(step, edges)})`,
        })),
        ...CONDITIONS.filter((condition) => SHADED.has(condition) && seen.has(condition)).map(
          (condition) => ({ text: condition, colour: conditionColour(condition) }),
        ),
      ])}
      <p class="note">Colours: retries of one agent per ${saySpan(bucketMs)}${heat.agents > NARROW_ROWS ? '; a row of several agents shows their average' : ''}.</p>
      ${folded(
        tableOf<{ agent: string; retries: number }>(
          [
            { head: 'agent', cell: ({ agent }) => agent },
            { head: 'retries', cell: ({ retries }) => sayCount(retries), value: ({ retries }) => retries },
          ],
          heat.rows,
          {
            caption: `Retries at ${name} by agent`,
            sortable: true,
            ...(heat.agents > heat.rows.length
              ? {
                  rest: {
                    agent: sayMany(heat.agents - heat.rows.length, 'other'),
                    retries: heat.others.retries,
                  },
                }
              : {}),
          },
        ),
      )}
    </figure>`
}
