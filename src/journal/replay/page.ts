/** The result of a replay as one page. */
import { markup, type Markup } from '../report/page/markup.ts'
import { framed, table } from './page-frame.ts'
import type { ReplayResult, SideResult, TimelineCounts } from './replay-journal.ts'
import { differenceRows, LEGEND, ruleRows, span, upstreamRows, type Row } from './result-rows.ts'
import { timelineChart } from './timeline-chart.ts'
import { count, journalLine } from './unknowns.ts'

/** HTML text. @param unknowns from `unknownsOf` */
export function replayPage(result: ReplayResult, unknowns: readonly string[]): string {
  const { policies, against } = result
  const title =
    against === undefined ? `Replay: ${policies.name}` : `Replay: ${policies.name} against ${against.name}`
  const body = markup`<div class="lead">${lead(result).map((sentence) => markup`<p>${sentence}</p>`)}</div>
    <p class="note">${journalLine(result)}</p>
    ${overTime(result)} ${byRule(result)} ${byUpstream(result)} ${changed(result)}`
  return framed(title, body, unknowns)
}

function lead({ policies, against }: ReplayResult): string[] {
  if (against === undefined) return [`${policies.name} ${whatItDid(policies)}`]
  return [`A, ${policies.name}, ${whatItDid(policies)}`, `B, ${against.name}, ${whatItDid(against)}`]
}

function whatItDid({ totals }: SideResult): string {
  const sum = (read: (rule: (typeof totals)[number]) => number): number =>
    totals.reduce((all, rule) => all + read(rule), 0)
  const held = sum((rule) => rule.held)
  const refused = sum((rule) => rule.slotted + rule.shed + rule.deferred)
  if (held + refused === 0) return 'would have passed every call.'
  const longest = Math.max(...totals.map((rule) => rule.waitP99Ms))
  const waits = held === 0 ? '' : ` (99 of 100 for at most ${span(longest)})`
  const spared = sum((rule) => rule.sparedAttempts)
  const failures = sum((rule) => rule.sparedFailures)
  return (
    `would have held ${count(held)} calls${waits} and refused ${count(refused)}, ${count(sum((rule) => rule.slotted))}` +
    ` of them with a slot; it would have spared ${count(spared)} attempts, ${count(failures)} of which failed.` +
    ` ${count(sum((rule) => rule.critical))} of the calls it touched are critical,` +
    ` ${count(sum((rule) => rule.whileHealthy))} came while their upstream was healthy.`
  )
}

function overTime({ timeline, policies, against }: ReplayResult): Markup {
  const named = against === undefined ? 'now' : 'A'
  const most = Math.max(0, ...timeline.calls)
  const chart = (name: string, text: string, counts: TimelineCounts): Markup =>
    markup`<figure>
      <figcaption><b>${name}</b>, ${text}</figcaption>
      ${timelineChart(name, timeline, counts, most)}
    </figure>`
  return markup`<section>
    <h2>Calls over time</h2>
    ${chart('then', 'as it was', timeline.recorded)} ${chart(named, policies.name, timeline.policies)}
    ${
      against === undefined || timeline.against === undefined
        ? undefined
        : chart('B', against.name, timeline.against)
    }
    <ul class="key">
      <li><i class="calls"></i>calls</li>
      <li><i class="held"></i>held</li>
      <li><i class="refused"></i>refused, with a slot or for good</li>
    </ul>
  </section>`
}

function byRule({ policies, against, recorded }: ReplayResult): Markup {
  return markup`<section>
    <h2>By upstream and rule</h2>
    ${
      against === undefined
        ? markup`${table(ruleRows(policies), 'What each rule would have done')}
          ${recorded.rules.length === 0 ? undefined : table(ruleRows(recorded), 'As it was')}`
        : table(differenceRows(policies, against), 'What the rules of A and of B would have done')
    }
    <p class="note">${LEGEND}.</p>
  </section>`
}

function byUpstream({ policies, against, recorded }: ReplayResult): Markup {
  const sides = [recorded, policies, ...(against === undefined ? [] : [against])]
  return markup`<section>
    <h2>Upstreams</h2>
    ${table(upstreamRows(sides), 'What went to each upstream, then and now')}
  </section>`
}

function changed({ policies, against }: ReplayResult): Markup | undefined {
  const changes = policies.changes.filter(({ from, to }) => from !== to)
  if (changes.length === 0) return undefined
  const rows: Row[] = [
    { kind: 'head', texts: 2, cells: ['then', 'now', 'calls'] },
    ...changes.map(({ from, to, calls }): Row => ({
      kind: 'more',
      texts: 2,
      cells: [from, to, count(calls)],
    })),
  ]
  return markup`<section>
    <h2>Verdicts that change${against === undefined ? '' : ' under A'}</h2>
    ${table(rows, 'From the verdict that was taken to the one of the replay')}
  </section>`
}
