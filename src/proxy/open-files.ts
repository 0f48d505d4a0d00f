/**
 * How many connections of agents the process may have: each is an open file, and so is each connection to an upstream,
 * of the operator, of the journal. Whoever accepts until the system refuses cannot reach its upstreams any more, nor
 * be reached by its operator (promises.md row 10).
 */
import { readFileSync } from 'node:fs'

/** What may be open at most (HAProxy and nginx, too, size their connections by it). */
const USABLE = 0.9
/** The operator's readers, the log, the journal, the store, the board, and what Node itself keeps open. */
const OWN_FILES = 32
/** Upstreams take no more than half, and agents are left with something. */
const UPSTREAM_PART = 0.5
const LEAST = 16

/** @param openFiles of the process; @param upstreamConnections all that its upstreams may have at once */
export function connectionRoom(openFiles: number, upstreamConnections: number): number {
  const usable = Math.floor(openFiles * USABLE) - OWN_FILES
  const upstream = Math.min(upstreamConnections, Math.floor(usable * UPSTREAM_PART))
  return Math.max(LEAST, usable - upstream)
}

/** `ulimit -n` of this process; Infinity where the system does not say so in Linux's words. */
export function openFilesLimit(): number {
  let text: string
  try {
    text = readFileSync('/proc/self/limits', 'latin1')
  } catch {
    return Infinity
  }
  const soft = /^Max open files\s+(\d+)/m.exec(text)?.[1]
  return soft === undefined ? Infinity : Number(soft)
}
