/**
 * One number divided among replicas, so that each can act alone and the sum is never more than the whole.
 *
 * As in the hold queue of one gateway the highest class is served first, wherever its calls are, save what lower classes
 * are guaranteed; inside a class by demand. What nobody asks for is divided by demand, and at least half an equal
 * part to each, so that a replica that was idle can begin (algorithms.md 3(8)). Every replica computes the same from
 * the same view.
 */
import { PRIORITIES } from '../model.ts'
import { CLASS_SHARES, guaranteed } from '../admit/class-shares.ts'

export interface Member {
  readonly replica: string
  /** Calls that it would have in flight if it could, by class, the highest first. */
  readonly demands: readonly number[]
}

const GUARANTEED = PRIORITIES.map((priority) => guaranteed(CLASS_SHARES[priority]))

/** What each member gets of `total`, in the order of the members, in fractions; Infinity of Infinity. */
export function quotasOf(total: number, members: readonly Member[]): number[] {
  if (total === Infinity) return members.map(() => Infinity)
  const sums = PRIORITIES.map((_, rank) =>
    members.reduce((sum, { demands }) => sum + (demands[rank] ?? 0), 0),
  )
  const quotas = members.map(() => 0)
  let left = total
  for (const [rank, sum] of sums.entries()) {
    if (sum === 0) continue
    const owedBelow = sums.reduce(
      (owed, below, lower) => (lower > rank && below > 0 ? owed + (GUARANTEED[lower] ?? 0) * total : owed),
      0,
    )
    const given = Math.min(sum, Math.max(0, left - owedBelow))
    left -= given
    for (const [index, { demands }] of members.entries()) {
      quotas[index]! += (given * (demands[rank] ?? 0)) / sum
    }
  }
  for (const [index, part] of partsOf(members).entries()) quotas[index]! += left * part
  return quotas
}

/** Parts of the whole by demand of all classes; they add up to 1. */
export function partsOf(members: readonly Member[]): number[] {
  return partsFrom(members.map((member) => member.demands.reduce((sum, demand) => sum + demand, 0)))
}

/** Parts of the whole by demand, at least half an equal part before they are made to add up to 1. */
export function partsFrom(demands: readonly number[]): number[] {
  const demand = demands.reduce((sum, own) => sum + own, 0)
  const least = 1 / (2 * demands.length)
  const weights = demands.map((own) => (demand > 0 ? Math.max(own / demand, least) : least))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map((weight) => weight / sum)
}

/**
 * Whole places of `replica` among `total`; Infinity of Infinity. The places of all members add up to `total`, and each
 * has its quota rounded down or up: up as often as its fraction says, over the rounds (systematic sampling, Madow 1949).
 */
export function placesOf(total: number, members: readonly Member[], replica: string, round: number): number {
  if (total === Infinity) return Infinity
  const whole = Math.floor(total)
  const ordered = members.toSorted((a, b) => (a.replica < b.replica ? -1 : 1))
  const offset = (round * GOLDEN) % 1
  let sum = 0
  let before = 0
  for (const [index, quota] of quotasOf(whole, ordered).entries()) {
    sum += quota
    const last = index === ordered.length - 1
    const upTo = last ? whole : Math.floor(sum + offset)
    if (ordered[index]!.replica === replica) return Math.max(0, Math.min(whole, upTo) - before)
    before = Math.min(whole, upTo)
  }
  return 0
}

const GOLDEN = 0.6180339887498949
