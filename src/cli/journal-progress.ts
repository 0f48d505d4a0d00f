/** A bar while a journal is read; on a terminal only, and on stderr, so that output can be piped. */
import { Presets, SingleBar } from 'cli-progress'

export interface JournalProgress {
  /** For `readJournal`: bytes. */
  readonly onProgress: (done: number, total: number) => void
  stop(): void
}

const SILENT: JournalProgress = { onProgress() {}, stop() {} }

/** @param what is done, in a word */
export function journalProgress(what: string, out: NodeJS.WriteStream = process.stderr): JournalProgress {
  if (!out.isTTY) return SILENT
  const bar = new SingleBar(
    {
      format: `${what} [{bar}] {percentage}% of {total} MiB, {eta_formatted} left`,
      stream: out,
      clearOnComplete: true,
      hideCursor: true,
      fps: 5,
      barsize: 30,
    },
    Presets.legacy,
  )
  let isStarted = false
  return {
    onProgress(done, total) {
      if (!isStarted) bar.start(mebibytes(total), 0)
      isStarted = true
      bar.update(mebibytes(done))
    },
    stop: () => bar.stop(),
  }
}

function mebibytes(bytes: number): number {
  return Math.round((bytes / 2 ** 20) * 10) / 10
}
