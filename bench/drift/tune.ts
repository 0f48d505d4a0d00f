/** `npx tsx bench/drift/tune.ts DATA`: F1 of each of the POLICIES on the tuning part, the best of which the bench uses. */
import { figuresOf, POLICIES } from './labelled.ts'
import { labelledRecordings } from './recordings.ts'
import { weirAlarms } from './weir-alarms.ts'

const recordings = labelledRecordings(process.argv[2] ?? '../shared/data')
for (const [name, policy] of Object.entries(POLICIES)) {
  const figures = figuresOf(recordings, 'tuning', (recording) => weirAlarms(recording, policy))
  process.stdout.write(`${name}: ${JSON.stringify(figures)}\n`)
}
