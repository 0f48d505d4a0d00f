/** What other policies would have done: the outcome of a replay, with what it cannot know. */
import type { RuleResult } from '../../replay/rule-result.ts'
import type { Findings } from '../findings.ts'
import { sayCount, sayLatency, sayMany, sayMoney, sayShare } from '../say.ts'
import type { WhatIfFindings } from '../what-if.ts'
import { markup, type Markup } from './markup.ts'
import { folded, tableOf } from './table.ts'

export function whatIfPart({ total, pricePerCall, currency }: Findings, whatIf: WhatIfFindings): Markup {
  const touched = whatIf.held + whatIf.slotted + whatIf.shed + whatIf.deferred
  return markup`<h3>Replayed under ${whatIf.policies}</h3>
    ${
      touched === 0
        ? markup`<p>They would have passed every call.</p>`
        : markup`<p>
              They would have held ${sayMany(whatIf.held, 'call')} (half for no longer than
              ${sayLatency(whatIf.waitP50Ms)}, 99 of 100 for ${sayLatency(whatIf.waitP99Ms)}) and asked
              ${sayCount(whatIf.slotted)} to come back at a time of their own; ${sayCount(whatIf.shed)}
              refused for good. Of the ${sayCount(total.sent)} attempts ${sayCount(whatIf.sparedAttempts)}
              would not have been made (${sayShare(whatIf.sparedAttempts / Math.max(1, total.sent))}),
              ${sayCount(whatIf.sparedFailures)} of which failed:
              ${sayMoney(whatIf.sparedFailures * pricePerCall, currency)}.
              ${
                whatIf.whileHealthy === 0
                  ? 'No call to a healthy upstream would have been touched.'
                  : `${sayMany(whatIf.whileHealthy, 'call')} to an upstream that was healthy then would have been touched.`
              }
            </p>
            ${tableOf<RuleResult>(
              [
                { head: 'upstream', cell: ({ upstream }) => upstream, isText: true },
                { head: 'rule', cell: ({ rule }) => (rule === '' ? '(no rule)' : rule), isText: true },
                { head: 'held', cell: ({ held }) => sayCount(held), value: ({ held }) => held },
                {
                  head: 'asked back',
                  cell: ({ slotted }) => sayCount(slotted),
                  value: ({ slotted }) => slotted,
                },
                { head: 'refused', cell: ({ shed }) => sayCount(shed), value: ({ shed }) => shed },
                {
                  head: 'wait p99',
                  cell: ({ waitP99Ms }) => sayLatency(waitP99Ms),
                  value: ({ waitP99Ms }) => waitP99Ms,
                },
                {
                  head: 'attempts spared',
                  cell: (row) => sayCount(row.sparedAttempts),
                  value: (row) => row.sparedAttempts,
                },
                {
                  head: 'of them failed',
                  cell: (row) => sayCount(row.sparedFailures),
                  value: (row) => row.sparedFailures,
                },
                {
                  head: 'critical',
                  cell: ({ critical }) => sayCount(critical),
                  value: ({ critical }) => critical,
                },
              ],
              whatIf.rules.slice(0, 20),
              { caption: 'What each rule would have done', sortable: true },
            )}`
    }
    ${
      whatIf.unknowns.length === 0
        ? undefined
        : folded(
            markup`<ul>
              ${whatIf.unknowns.map((unknown) => markup`<li>${unknown}</li>`)}
            </ul>`,
            'What a replay cannot know',
          )
    }`
}
