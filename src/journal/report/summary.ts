/** What happened, in three sentences and a few figures that a stranger understands. */
import type { EventName } from '../../core/model.ts'
import { endedOf, retryingAtOnce, worstTail } from './figures.ts'
import type { Findings } from './findings.ts'
import {
  sayClock,
  sayCount,
  sayDay,
  sayList,
  sayMany,
  sayMoney,
  sayPrice,
  sayRatio,
  sayShare,
  saySpan,
} from './say.ts'

export interface KeyFigure {
  readonly label: string
  readonly value: string
  readonly note: string
  /** Something is wrong with it. */
  readonly bad: boolean
}

/** Attempts per success from which on a report calls it a problem. */
const BAD_ATTEMPTS = 1.2
const WORTH_SAYING = 1.05
const BAD_SHARE = 0.05
/** Agents that must retry in the same columns for the word "together". */
const TOGETHER = 3
/** Below it a slowdown is not worth a sentence. */
const SLOW = 1.3

export function sentences(findings: Findings): readonly [string, string, string] {
  return [whatItWas(findings), whatWentWrong(findings), whatItCost(findings)]
}

export function keyFigures(findings: Findings): readonly KeyFigure[] {
  const { total, upstreams, worst, pricePerCall, currency, callers } = findings
  const ended = endedOf(findings)
  const nothing = total.waste.calls
  const tail = worstTail(findings)
  const usual = upstreams.find(({ name }) => name === tail?.upstream)?.latency.all?.p50
  const retrying = retryingAtOnce(findings)
  return [
    {
      label: 'came to nothing',
      value: sayShare(ended === 0 ? 0 : nothing / ended),
      note: `${sayMany(nothing, 'call')} of ${sayCount(ended)}${total.fates.refused > 0 ? `; ${sayCount(total.fates.refused)} more turned away by Weir` : ''}`,
      bad: ended > 0 && nothing / ended > BAD_SHARE,
    },
    {
      label: 'attempts per success',
      value: total.attemptsPerSuccess === null ? '-' : sayRatio(total.attemptsPerSuccess),
      note:
        worst !== null && worst.answered > 0
          ? `${sayRatio(worst.sent / worst.answered)} in the worst stretch`
          : 'sent upstream, per answered call',
      bad: (total.attemptsPerSuccess ?? 1) > BAD_ATTEMPTS,
    },
    {
      label: 'retrying at once',
      value: sayCount(retrying),
      note: `of ${sayMany(callers.agents, 'agent')}, in ${saySpan(findings.time.bucketMs)}`,
      bad: retrying >= TOGETHER && retrying > 0.1 * callers.agents,
    },
    {
      label: 'slowest 1 % took',
      value: tail === undefined ? '-' : saySpan(tail.ms),
      note:
        tail === undefined
          ? 'no response times'
          : `${tail.upstream} at its worst${usual === undefined ? '' : `; half of all took ${saySpan(usual)}`}`,
      bad: tail !== undefined && usual !== undefined && tail.ms > 10 * usual,
    },
    {
      label: 'widest workflow',
      value: sayCount(findings.fanOut.width.max),
      note: `calls at once; most have ${sayCount(findings.fanOut.width.p50)}`,
      bad: findings.fanOut.width.max >= 8 && findings.fanOut.width.max > 4 * findings.fanOut.width.p50,
    },
    {
      label: 'paid for nothing',
      value: sayMoney(total.waste.sent * pricePerCall, currency),
      note: `${sayMany(total.waste.sent, 'call')} at ${sayPrice(pricePerCall, currency)} each`,
      bad: false,
    },
  ]
}

function whatItWas({ time, total, callers, upstreams }: Findings): string {
  const span = saySpan(time.toMs - time.fromMs)
  const calls = total.arrivals + total.longLived
  if (calls === 0) return 'The journal holds no calls.'
  const sameDay = sayDay(time.fromMs) === sayDay(time.toMs)
  const when = sameDay
    ? `on ${sayDay(time.fromMs)}, ${sayClock(time.fromMs)} to ${sayClock(time.toMs)} UTC`
    : `from ${sayDay(time.fromMs)} ${sayClock(time.fromMs)} to ${sayDay(time.toMs)} ${sayClock(time.toMs)} UTC`
  const used = upstreams.filter(({ traffic }) => traffic.arrivals + traffic.longLived > 0)
  const names = used.map(({ name }) => name).toSorted()
  return (
    `In ${span} (${when}) ${sayMany(callers.agents, 'agent')} made ${sayMany(calls, 'call')} to ` +
    `${names.length === 1 ? names[0] : `${sayMany(names.length, 'upstream')}: ${sayList(names)}`}.`
  )
}

function whatWentWrong(findings: Findings): string {
  const { worst, total } = findings
  if (total.arrivals === 0) return 'Nothing can be said about it.'
  if (worst === null) {
    const share = sayShare(total.waste.calls / Math.max(1, endedOf(findings)))
    return `Nothing stands out: ${share} of the calls came to nothing, and never many at once.`
  }
  const { root } = worst
  const stretch = `${sayClock(worst.fromMs)} to ${sayClock(worst.toMs)}`
  const lost = sayShare(worst.forNothing / Math.max(1, worst.ended))
  const refused =
    worst.refused > 0
      ? `, ${sayShare(worst.refused / Math.max(1, worst.ended))} were turned away by Weir`
      : ''
  const together =
    worst.retryingAgents >= TOGETHER
      ? ` and ${sayMany(worst.retryingAgents, 'agent')} retried within the same ${saySpan(findings.time.bucketMs)}`
      : ''
  const how = rootText(root)
  return `The worst were the ${saySpan(worst.toMs - worst.fromMs)} from ${stretch}: ${lost} of the calls that ended came to nothing${refused}${together}. It began at ${root.upstream}${how}.`
}

function rootText(root: NonNullable<Findings['worst']>['root']): string {
  const at = `, at ${sayClock(root.atMs)}`
  const slow =
    root.slowdown !== undefined && root.slowdown >= SLOW
      ? ` with response times ${sayRatio(root.slowdown)} times the usual`
      : ''
  const signs: Partial<Record<EventName, string>> = {
    'drift-started': slow === '' ? ' with answers unlike the usual ones' : slow,
    'storm-started': ` with a storm of retries${slow === '' ? '' : `,${slow}`}`,
    'probe-started': ' with nothing coming back',
  }
  return root.event === undefined ? at : `${at},${signs[root.event] ?? ''}`
}

function whatItCost(findings: Findings): string {
  const { total, worst, pricePerCall, currency } = findings
  const { waste } = total
  if (total.arrivals === 0) return 'Look at how the journal was made.'
  const usual =
    worst?.usualAttempts === null || worst === null ? '' : ` (otherwise ${sayRatio(worst.usualAttempts)})`
  const ratio = worst === null || worst.answered === 0 ? 1 : worst.sent / worst.answered
  const attempts =
    worst === null || (worst.answered > 0 && ratio < WORTH_SAYING)
      ? ''
      : worst.answered === 0
        ? 'Not one call succeeded in that stretch; in all, '
        : `A success then took ${sayRatio(ratio)} attempts${usual}; in all, `
  const money = `${sayMoney(waste.sent * pricePerCall, currency)} at ${sayPrice(pricePerCall, currency)} a call`
  const spent =
    waste.calls === 0
      ? 'no call came to nothing'
      : `${sayMany(waste.calls, 'call')}, ${saySpan(waste.ms)} of waiting and ${money} came to nothing`
  const text = `${attempts}${spent}${actsText(findings)}.`
  return text.slice(0, 1).toUpperCase() + text.slice(1)
}

function actsText({ weir, source, whatIf }: Findings): string {
  const { did, shadow } = weir
  if (source.mode === 'enforced') return `; Weir has ${heldText(did.held, did.shed + did.expired)}`
  if (source.mode === 'shadow')
    return `; Weir only watched, and would have ${heldText(shadow.held, shadow.shed)}`
  if (whatIf === undefined || whatIf.held + whatIf.slotted === 0) return ''
  return `; Weir would have ${heldText(whatIf.held, whatIf.slotted)}`
}

function heldText(held: number, away: number): string {
  const slots = away === 0 ? '' : ` and given ${sayCount(away)} a time of their own to come back`
  return `held ${sayMany(held, 'call')}${slots}`
}
