/**
 * The upstream's answer on its way to whoever called `fetch`: the same status, headers, bytes and pace, and the core
 * hears of its head, its chunks and its end. No byte is looked at; they are counted.
 */
import { readHints } from '../proxy/quota-headers.ts'
import { kindOfAnswer } from '../proxy/settle.ts'
import { waitFor } from '../proxy/advice.ts'
import { familyOf } from '../core/families.ts'
import type { Advice, Millis } from '../core/model.ts'
import type { Turn } from '../admit/turn.ts'

export interface Watching {
  readonly turn: Turn
  readonly method: string
  readonly family: string
  readonly clock: () => Millis
  readonly signal: AbortSignal | undefined
}

/** As upstreams' own `idleTimeout`: whoever does not read on for so long does not read at all. */
const UNREAD_MS: Millis = 300_000
/** Carry the upstream's advice, which becomes the caller's slot. */
const ADVISED: ReadonlySet<number> = new Set([429, 503, 529])

export function watchedResponse(response: Response, watching: Watching): Response {
  const { turn, method, family, clock } = watching
  const { status, headers, body } = response
  const streaming = headers.get('content-type')?.startsWith('text/event-stream') === true
  const hints = readHints([...headers].flat(), Date.now())
  const advice = turn.head({ status, streaming, retryAfterMs: hints.retryAfterMs, quota: hints.quota })
  const kind = kindOfAnswer(status, streaming && method === 'GET')
  const hasNoBody = body === null || method === 'HEAD'
  if (hasNoBody || status >= 400) turn.settle({ kind, status, answered: true })
  if (hasNoBody && advice.slotAt === 0) return response
  const shown = body === null || turn.phase === 'over' ? body : watched(body, watching, kind, status)
  if (shown === body && advice.slotAt === 0) return response
  const advised = advisedHeaders(response, advice, family, hints.retryAfterMs, clock())
  return alike(new Response(shown, { status, statusText: response.statusText, headers: advised }), response)
}

function watched(
  body: ReadableStream<Uint8Array>,
  { turn, signal }: Watching,
  kind: ReturnType<typeof kindOfAnswer>,
  status: number,
): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  let bytesOut = 0
  const unread = setTimeout(
    () => turn.settle({ kind: 'ignored', status, answered: true, bytesOut }),
    UNREAD_MS,
  )
  unread.unref()
  const end = (how: 'whole' | 'cut' | 'left'): void => {
    clearTimeout(unread)
    if (how === 'whole') turn.settle({ kind, status, answered: true, bytesOut })
    else turn.settle({ kind: how === 'cut' ? 'failure' : 'cancelled', status, answered: false, bytesOut })
  }
  // No byte stream: that would take the chunks' memory over, which may be that of somebody's pool.
  return new ReadableStream(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (done) {
            end('whole')
            controller.close()
            return
          }
          bytesOut += value.byteLength
          unread.refresh()
          turn.chunk()
          controller.enqueue(value)
        } catch (error) {
          end(signal?.aborted === true ? 'left' : 'cut')
          controller.error(error)
        }
      },
      async cancel(reason) {
        end('left')
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

function advisedHeaders(
  { headers, status }: Response,
  { slotAt }: Advice,
  family: string,
  askedMs: Millis,
  now: Millis,
): Headers {
  const shown = new Headers(headers)
  if (slotAt === 0 || !ADVISED.has(status) || headers.get('x-should-retry') === 'false') return shown
  const wait = waitFor(familyOf(family), Math.max(slotAt - now, askedMs), askedMs)
  shown.set('retry-after', String(wait.seconds))
  shown.set('retry-after-ms', String(wait.ms))
  return shown
}

/** What a constructed response cannot be given. */
function alike(made: Response, response: Response): Response {
  const { url, redirected, type } = response
  return Object.defineProperties(made, {
    url: { value: url },
    redirected: { value: redirected },
    type: { value: type },
  })
}
