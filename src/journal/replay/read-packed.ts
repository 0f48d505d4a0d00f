/**
 * Reads a journal on a thread of its own: parsing takes about as long as replaying, so a large journal is done in
 * little more than the longer of the two. A small one is read here: a thread takes longer to start than it saves.
 */
import { statSync } from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { journalFiles } from '../journal-files.ts'
import { JournalError, readJournal, type ReadOptions } from '../reader.ts'
import { BATCHES_PER_WORD, type FromWorker, type PackJob } from './pack-messages.ts'
import type { PackedLines } from './packed-lines.ts'
import type { ReplayLines } from './play-runs.ts'

/** Some 30,000 calls. */
const SMALL_BYTES = 16 << 20

/** As `readJournal`, for a replay. @throws JournalError while it is read */
export function readForReplay(paths: readonly string[], options: ReadOptions = {}): ReplayLines {
  const script = workerScript()
  return script === undefined || bytesOf(paths) < SMALL_BYTES
    ? readJournal(paths, options)
    : readPacked(script, paths, options)
}

/** @param script the thread's program */
export async function* readPacked(
  script: URL,
  paths: readonly string[],
  options: ReadOptions,
): AsyncGenerator<PackedLines> {
  const job: PackJob = { paths, keepGood: options.keepGood === true }
  const worker = new Worker(script, { workerData: job, name: 'weir journal' })
  const inbox: FromWorker[] = []
  let failure: Error | undefined
  let isOver = false
  let taken = 0
  let wake: (() => void) | undefined
  const told = (): void => {
    wake?.()
    wake = undefined
  }
  worker.on('message', (message: FromWorker) => {
    inbox.push(message)
    told()
  })
  worker.on('error', (error) => {
    failure = error
    told()
  })
  worker.on('exit', () => {
    isOver = true
    told()
  })
  try {
    for (;;) {
      const message = inbox.shift()
      if (message === undefined) {
        if (failure !== undefined) throw failure
        if (isOver) throw new Error('the thread that reads the journal ended before the journal did')
        await new Promise<void>((resolve) => (wake = resolve))
        continue
      }
      switch (message.kind) {
        case 'batch':
          // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has none
          if (++taken % BATCHES_PER_WORD === 0) worker.postMessage('taken')
          yield message.packed
          options.onProgress?.(...message.progress)
          break
        case 'problem':
          options.onProblem?.(message.problem)
          break
        case 'refused':
          throw new JournalError(message.problem)
        case 'end':
          return
      }
    }
  } finally {
    await worker.terminate()
  }
}

/** Beside this file as it is shipped; from its source there is none, as loaders do not follow into threads. */
function workerScript(): URL | undefined {
  return extname(import.meta.url) === '.js' ? new URL('./pack-worker.js', import.meta.url) : undefined
}

/** Of files that can be read; the reader itself tells of the others. */
function bytesOf(paths: readonly string[]): number {
  try {
    return paths.flatMap((path) => journalFiles(path)).reduce((sum, file) => sum + statSync(file).size, 0)
  } catch {
    return 0
  }
}
