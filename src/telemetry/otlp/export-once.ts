/**
 * One export with a deadline of Weir's own. The exporters' timeout is for silence: a collector that sends a byte now
 * and then would be waited for without end.
 */
import type { Millis } from '../../core/model.ts'

/** What the exporters of both signals have in common. */
export interface Exporter<T> {
  export(items: T, done: (result: { readonly code: number; readonly error?: Error }) => void): void
}

/** `ExportResultCode.SUCCESS` of @opentelemetry/core, which is no dependency of its own. */
const SUCCESS = 0

export class ExportTimeout extends Error {
  override readonly name = 'ExportTimeout'
}

/** Resolves when the collector took it. @throws what the exporter says, or ExportTimeout */
export async function exportOnce<T>(exporter: Exporter<T>, items: T, withinMs: Millis): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new ExportTimeout()), withinMs)
    timer.unref()
    exporter.export(items, ({ code, error }) => {
      clearTimeout(timer)
      if (code === SUCCESS) resolve()
      else reject(error ?? new Error('the export failed'))
    })
  })
}
