/** What the primary and its workers say to each other, besides the board. */
import type { EventView } from '../admin/views.ts'
import type { AppReport } from '../app.ts'
import type { CoreEvent, Millis, Mode } from '../core/model.ts'

export type FromWorker =
  | { readonly weir: 'ready'; readonly host: string; readonly port: number }
  | { readonly weir: 'report'; readonly report: AppReport }
  | { readonly weir: 'event'; readonly event: CoreEvent; readonly ageMs: Millis }
  /** An event that is not of the core: callers that were refused. */
  | { readonly weir: 'notice'; readonly view: EventView }

export type ToWorker =
  | { readonly weir: 'stop' }
  | { readonly weir: 'mode'; readonly id: string; readonly mode: Mode; readonly by: string }

export function isFromWorker(message: unknown): message is FromWorker {
  return hasKind(message, ['ready', 'report', 'event', 'notice'])
}

export function isToWorker(message: unknown): message is ToWorker {
  return hasKind(message, ['stop', 'mode'])
}

function hasKind(message: unknown, kinds: readonly string[]): boolean {
  if (typeof message !== 'object' || message === null || !('weir' in message)) return false
  return typeof message.weir === 'string' && kinds.includes(message.weir)
}
