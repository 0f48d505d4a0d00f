/** The result of a closed loop for a terminal, and what it cannot know. */
import type { ClosedLoopResult, ClosedLoopSide } from './closed-loop.ts'
import { aligned, wrapped } from './replay-text.ts'
import { span, type Row } from './result-rows.ts'
import { count } from './unknowns.ts'

const LINES: readonly (readonly [string, (side: ClosedLoopSide) => string])[] = [
  ['calls wanted', ({ wanted }) => count(wanted)],
  ['answered', ({ answered, wanted }) => `${count(answered)} (${share(answered, wanted)})`],
  [
    'critical answered',
    ({ criticalAnswered, criticalWanted }) =>
      criticalWanted === 0 ? '-' : `${count(criticalAnswered)} (${share(criticalAnswered, criticalWanted)})`,
  ],
  ['attempts upstream', ({ attempts }) => count(attempts)],
  ['attempts per call', ({ attemptsPerCall }) => attemptsPerCall.toFixed(2)],
  ['held', ({ held }) => count(held)],
  ['refused', ({ refused }) => count(refused)],
  ['answer p50', ({ p50Ms }) => span(p50Ms)],
  ['answer p99', ({ p99Ms }) => span(p99Ms)],
]

export function closedLoopText(result: ClosedLoopResult): string {
  const { recorded } = result
  return [
    `Closed loop over ${count(result.calls)} calls, of which ${count(recorded.firstTries)} are first tries:`,
    ...aligned(closedLoopRows(result)),
    '',
    `As it was: ${recorded.attemptsPerCall.toFixed(2)} attempts per call.`,
    '',
    'The upstreams, as fitted:',
    ...fittedSentences(result).map((line) => wrapped(line)),
    '',
    'What this cannot know:',
    ...closedLoopUnknowns(result).map((line) => wrapped(line)),
    '',
  ].join('\n')
}

/** A column per side, without Weir first. */
export function closedLoopRows({ withoutWeir, policies, against }: ClosedLoopResult): readonly Row[] {
  const sides = [withoutWeir, policies, ...(against === undefined ? [] : [against])]
  return [
    { kind: 'head', texts: 1, cells: ['', ...sides.map(({ name }) => name)] },
    ...LINES.map(([name, cell]): Row => ({ kind: 'more', texts: 1, cells: [name, ...sides.map(cell)] })),
  ]
}

/** What each upstream was taken to be. */
export function fittedSentences({ upstreams }: ClosedLoopResult): string[] {
  return upstreams.map(({ upstream, shape, well, stretches }) => {
    const { serviceMs, sigma, servers } = shape
    const spread = sigma === 0 ? '' : `, spread ${sigma.toFixed(2)}`
    return (
      `${upstream}: ${span(serviceMs)}${spread}, at most ${count(servers)} calls at once; well in ${count(well)} of` +
      ` ${count(stretches)} stretches of five seconds`
    )
  })
}

export function closedLoopUnknowns({ leftOut }: ClosedLoopResult): string[] {
  return [
    'Numbers are those of models: compare the columns with each other, not with the day of the journal.',
    'Callers want what they first wanted then, at the same instants; an agent that would have gone on later, or not at' +
      ' all, after a late answer still does. Retries are those of the clients by default: loops around them are not' +
      ' known.',
    'An upstream was never seen busier than it was: its capacity is taken as a quarter above its best, its bad times' +
      ' as bad as they looked from outside, in stretches of five seconds, whatever it is sent. What made it fail is' +
      ' not known; load that it is spared does not heal it.',
    ...(leftOut === 0 ? [] : [`${count(leftOut)} calls that last by nature (streams, polls) are left out.`]),
  ]
}

function share(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)}%`
}
