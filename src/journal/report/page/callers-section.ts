/** The agents and the workflows that did most. */
import type { CallerFindings } from '../callers.ts'
import type { Findings } from '../findings.ts'
import { sayClock, sayCount, sayMany, sayMoney, sayShare, saySpan } from '../say.ts'
import { markup, type Markup } from './markup.ts'
import { tableOf, type Column } from './table.ts'

type Workflow = Findings['fanOut']['busiest'][number]

export function callersSection(findings: Findings): Markup {
  const { callers, fanOut, pricePerCall, currency, source } = findings
  const columns: readonly Column<CallerFindings>[] = [
    { head: 'agent', cell: ({ agent }) => agent },
    { head: 'calls', cell: ({ calls }) => sayCount(calls), value: ({ calls }) => calls },
    { head: 'retries', cell: ({ retries }) => sayCount(retries), value: ({ retries }) => retries },
    { head: 'answered', cell: ({ answered }) => sayCount(answered), value: ({ answered }) => answered },
    {
      head: 'for nothing',
      cell: ({ forNothing, calls }) =>
        `${sayCount(forNothing)} (${sayShare(forNothing / Math.max(1, calls))})`,
      value: ({ forNothing }) => forNothing,
    },
    {
      head: 'money',
      cell: ({ sentForNothing }) => sayMoney(sentForNothing * pricePerCall, currency),
      value: ({ sentForNothing }) => sentForNothing,
    },
    {
      head: 'held',
      cell: ({ heldMs }) => (heldMs === 0 ? '-' : saySpan(heldMs)),
      value: ({ heldMs }) => heldMs,
    },
    { head: 'time in calls', cell: ({ ms }) => saySpan(ms), value: ({ ms }) => ms },
  ]
  const { others } = callers
  const rest = others.agents === 0 ? {} : { rest: { ...others, agent: sayMany(others.agents, 'other') } }
  return markup`<section id="callers">
    <h2>Agents and workflows</h2>
    ${source.hashedIds ? markup`<p class="note">Names are keyed hashes: this journal was written with hashed ids.</p>` : undefined}
    <h3>Agents</h3>
    ${tableOf(columns, callers.top, {
      caption: 'Most calls, and most retries; a click on a head sorts',
      sortable: true,
      ...rest,
    })}
    <h3>Workflows</h3>
    ${tableOf<Workflow>(
      [
        { head: 'workflow', cell: ({ workflow, inferred }) => (inferred ? `${workflow} (no id)` : workflow) },
        { head: 'calls', cell: ({ calls }) => sayCount(calls), value: ({ calls }) => calls },
        { head: 'retries', cell: ({ retries }) => sayCount(retries), value: ({ retries }) => retries },
        {
          head: 'for nothing',
          cell: ({ forNothing }) => sayCount(forNothing),
          value: ({ forNothing }) => forNothing,
        },
        { head: 'at once', cell: ({ width }) => sayCount(width), value: ({ width }) => width },
        { head: 'agents', cell: ({ agents }) => sayCount(agents), value: ({ agents }) => agents },
        { head: 'levels', cell: ({ depth }) => sayCount(depth), value: ({ depth }) => depth },
        { head: 'steps', cell: ({ steps }) => sayCount(steps), value: ({ steps }) => steps },
        { head: 'from', cell: ({ fromMs }) => sayClock(fromMs), value: ({ fromMs }) => fromMs },
        {
          head: 'for',
          cell: ({ fromMs, toMs }) => saySpan(toMs - fromMs),
          value: ({ fromMs, toMs }) => toMs - fromMs,
        },
      ],
      fanOut.busiest,
      { caption: 'Most calls', sortable: true },
    )}
  </section>`
}
