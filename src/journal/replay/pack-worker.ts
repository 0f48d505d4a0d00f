/** The thread that reads, parses and packs a journal: see `read-packed.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import type { JournalLine } from '../line.ts'
import { JournalError, readJournal } from '../reader.ts'
import { LinePacker } from './packed-lines.ts'
import { BATCHES_PER_WORD, Credits, LINES_PER_BATCH, type FromWorker, type PackJob } from './pack-messages.ts'

if (parentPort !== null) {
  const port = parentPort
  const credits = new Credits()
  port.on('message', () => credits.give(BATCHES_PER_WORD))
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- from `read-packed.ts` alone
  await work(workerData as PackJob, credits, (message, moved = []) => port.postMessage(message, moved))
  port.close()
}

async function work(
  { paths, keepGood }: PackJob,
  credits: Credits,
  send: (message: FromWorker, moved?: ArrayBuffer[]) => void,
): Promise<void> {
  const packer = new LinePacker()
  let lines: JournalLine[] = []
  let progress: [number, number] = [0, 0]
  const flush = async (): Promise<void> => {
    if (lines.length === 0) return
    await credits.take()
    const packed = packer.pack(lines)
    lines = []
    const moved = [packed.numbers.buffer, packed.orders.buffer, packed.names.buffer]
    send({ kind: 'batch', packed, progress }, moved)
  }
  try {
    const batches = readJournal(paths, {
      keepGood,
      onProblem: (problem) => send({ kind: 'problem', problem }),
      onProgress: (...done) => (progress = done),
    })
    for await (const batch of batches) {
      for (const line of batch) lines.push(line)
      if (lines.length >= LINES_PER_BATCH) await flush()
    }
    await flush()
    send({ kind: 'end' })
  } catch (error) {
    if (!(error instanceof JournalError)) throw error
    send({ kind: 'refused', problem: error.problem })
  }
}
