/**
 * One number divided among replicas, so that each can act alone and the sum is never more than the whole.
 *
 * As in the hold queue of one gateway the highest class is served first, wherever its calls are, save what lower classes
 * are guaranteed. Inside a class places are divided max-min fairly, each replica weighing as much as the agents that call
 * through it: whoever asks for less than that has all of it, and the rest goes to the others, level. By demand alone, an
 * agent that asks for ten times its share would take ten times as much from those behind other sidecars, which no agent
 * can do in the lines of one gateway. What nobody asks for is divided by demand, and at least half an equal part to each,
 * so that a replica that was idle can begin (algorithms.md 3(8)). Every replica computes the same from the same view.
 */
import { PRIORITIES } from '../model.ts'
import { CLASS_SHARES, guaranteed } from '../admit/class-shares.ts'
import { distinct } from './sketch.ts'

export interface Member {
  readonly replica: string
  /** Calls that it would have in flight if it could, by class, the highest first. */
  readonly demands: readonly number[]
  /** Agents that call through it, one that calls through several replicas divided among them; above 0. */
  readonly agents: number
}

/** As many as are believed of one replica, whatever its word says. */
const MOST_AGENTS = 65_536
const GUARANTEED = PRIORITIES.map((priority) => guaranteed(CLASS_SHARES[priority]))

/** What each member gets of `total`, in the order of the members, in fractions; Infinity of Infinity. */
export function quotasOf(total: number, members: readonly Member[]): number[] {
  if (total === Infinity) return members.map(() => Infinity)
  const wanted = PRIORITIES.map((_, rank) => members.map(({ demands }) => demands[rank] ?? 0))
  const sums = wanted.map((demands) => demands.reduce((sum, demand) => sum + demand, 0))
  const weights = members.map(({ agents }) => agents)
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
    for (const [index, part] of levelled(given, wanted[rank]!, weights).entries()) quotas[index]! += part
  }
  for (const [index, part] of partsOf(members).entries()) quotas[index]! += left * part
  return quotas
}

/**
 * Max-min fair by weight ("water-filling"; Bertsekas and Gallager, Data Networks, 6.5.2): nobody gets more than it asks
 * for, and nobody who asks for more gets less per weight than anybody else. `total` is at most what all ask for.
 */
export function levelled(total: number, demands: readonly number[], weights: readonly number[]): number[] {
  const level = (index: number): number => demands[index]! / weights[index]!
  const rising = [...demands.keys()].toSorted((one, other) => level(one) - level(other))
  const parts = demands.map(() => 0)
  let left = total
  let weight = weights.reduce((sum, own) => sum + own, 0)
  for (const index of rising) {
    const part = Math.min(demands[index]!, (left * weights[index]!) / weight)
    parts[index] = part
    left -= part
    weight -= weights[index]!
  }
  return parts
}

/**
 * How many agents call through each replica, by the sketches of those that do. Whoever calls through several of them
 * counts among them as one, or an agent behind a balancer would weigh as many times as there are replicas.
 */
export function agentsOf(sketches: readonly (readonly number[])[]): number[] {
  const homes = new Map<number, number>()
  for (const sketch of sketches) for (const agent of sketch) homes.set(agent, (homes.get(agent) ?? 0) + 1)
  return sketches.map((sketch) => {
    if (sketch.length === 0) return 1
    const own = sketch.reduce((sum, agent) => sum + 1 / homes.get(agent)!, 0)
    return (Math.min(MOST_AGENTS, distinct(sketch)) * own) / sketch.length
  })
}

/** Parts of the whole by demand of all classes; they add up to 1. */
export function partsOf(members: readonly Pick<Member, 'demands'>[]): number[] {
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
