/** The result of a closed loop as one page. */
import { markup } from '../report/page/markup.ts'
import type { ClosedLoopResult } from './closed-loop.ts'
import { closedLoopRows, closedLoopUnknowns, fittedSentences } from './closed-loop-text.ts'
import { framed, table } from './page-frame.ts'
import { count } from './unknowns.ts'

/** HTML text. */
export function closedLoopPage(result: ClosedLoopResult): string {
  const { calls, recorded, withoutWeir, policies, against } = result
  const named = against === undefined ? policies.name : `${policies.name} against ${against.name}`
  const body = markup`<div class="lead">
      <p>
        Of ${count(calls)} calls, ${count(recorded.firstTries)} are first tries. Models of their callers make them at models of
        the upstreams: without Weir they take ${withoutWeir.attemptsPerCall.toFixed(2)} attempts each, under
        ${policies.name} ${policies.attemptsPerCall.toFixed(2)}; ${count(withoutWeir.wanted - withoutWeir.answered)} stay
        without an answer, and ${count(policies.wanted - policies.answered)}.
      </p>
    </div>
    <p class="note">As it was: ${recorded.attemptsPerCall.toFixed(2)} attempts per call.</p>
    <section>
      <h2>Callers that react</h2>
      ${table(closedLoopRows(result), 'What callers got, and what it took')}
    </section>
    <section>
      <h2>The upstreams, as fitted</h2>
      <ul>
        ${fittedSentences(result).map((line) => markup`<li>${line}</li>`)}
      </ul>
    </section>`
  return framed(`Closed loop: ${named}`, body, closedLoopUnknowns(result))
}
