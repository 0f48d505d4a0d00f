/**
 * `npm run bench -- faults`: a real Weir under one fault after another, and what became of the calls. Of each fault:
 * calls sent; answered (the upstream's own whole answer, Weir's answer, or a break that the upstream or the wire
 * made); wronglyAnswered (another's bytes, half an answer as a whole one, a break that nobody made); lost (no answer);
 * overBoundMs (the longest wait beyond what Weir may take by its config). Then crowds, ids without number, little
 * memory, with the same five besides their own. Seeds are fixed; the machine is not.
 */
import { heldClientsKilled, heldThenTerm } from './faults/held.ts'
import { manyIds } from './faults/many-ids.ts'
import { faultRows } from './faults/rows.ts'
import { tightHeap } from './faults/tight-heap.ts'

export async function run({ smoke }: { smoke: boolean }): Promise<Record<string, unknown>> {
  const rows = await faultRows(smoke ? 1500 : 8000)
  return {
    ...rows,
    'sigterm-while-held': await heldThenTerm(smoke ? 100 : 500),
    'held-clients-killed': await heldClientsKilled(smoke ? 100 : 1000),
    'many-ids': await manyIds(smoke ? 10_000 : 1_000_000),
    'tight-heap': await tightHeap(smoke ? 2000 : 15_000),
  }
}
