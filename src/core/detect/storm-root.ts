/** Names the root of a cascade: of the storms that the same agents make on several upstreams, the first. */
import type { Millis, UpstreamIndex } from '../model.ts'
import type { StormDetector } from './storm.ts'

/** Storms that begin further apart are two stories (algorithms.md 3(3)). */
const CASCADE_MS = 30_000

/** Shared callers that make two storms one: as many as make a storm, and half of the smaller one. */
const SHARED_AGENTS = 3
const SHARED_SHARE = 0.5

/**
 * The upstream whose storm came first among those that share their agents with the storm at `upstream`, that one
 * included; -1 = `upstream` has no storm, or it is alone.
 *
 * @param storms by upstream index
 */
export function rootOf(
  storms: readonly StormDetector[],
  upstream: UpstreamIndex,
  now: Millis,
): UpstreamIndex {
  const own = storms[upstream]
  if (own === undefined || !isLive(own, now)) return -1
  let root = -1
  let rootAt = own.onset.at
  for (const [index, other] of storms.entries()) {
    if (index === upstream || !isLive(other, now)) continue
    if (Math.abs(other.onset.at - own.onset.at) > CASCADE_MS || !sharesAgents(own, other)) continue
    if (root === -1) root = upstream
    if (other.onset.at >= rootAt) continue
    root = index
    rootAt = other.onset.at
  }
  return root
}

function isLive(storm: StormDetector, now: Millis): boolean {
  return storm.state !== 'calm' || now - storm.onset.stormedAt <= CASCADE_MS
}

function sharesAgents(one: StormDetector, other: StormDetector): boolean {
  const [small, large] = one.onset.agents.length <= other.onset.agents.length ? [one, other] : [other, one]
  let shared = 0
  for (const agent of small.onset.agents) if (large.retriedSince(agent, large.onset.at)) shared += 1
  return shared >= SHARED_AGENTS && shared >= SHARED_SHARE * small.onset.agents.length
}
