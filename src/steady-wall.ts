/**
 * The wall clock as it was at the start, carried on by the monotonic one. Leases, deadlines and times to live of a
 * running process are measured on it: an operator or NTP that sets the clock by an hour must neither end nor prolong
 * them (promises.md row 71). Instants that go into headers are read from the wall itself.
 */
import type { Millis } from './core/model.ts'

export function steadyWall(wall: () => Millis, clock: () => Millis): () => Millis {
  const ahead = wall() - clock()
  return () => clock() + ahead
}
