/** The operator's two streams, read by `weir top`: frames and events, again and again until it is told to stop. */
import type { LiveFrame } from '../admin/live-frame.ts'
import type { EventView } from '../admin/views.ts'

/** No operator's listener of Weir is there; `message` says what was tried and what to do. */
export class NoOperatorError extends Error {
  override readonly name = 'NoOperatorError'
}

/** A message of a stream of server-sent events (the part of it that Weir sends). */
export interface StreamMessage {
  readonly event: string
  readonly data: string
}

const FRAMES = '/api/v1/live'
const EVENTS = '/api/v1/events'

/** A history and a frame together are far below this; more is not Weir. */
const LONGEST_MESSAGE = 4 * 1024 * 1024
/** Frames come once a second; so long without one is a lost connection. */
const SILENCE_MS = 5000

/** Frames as they come. Ends with the connection. @throws NoOperatorError when nothing or something else answers */
export async function* framesOf(operator: URL, signal: AbortSignal): AsyncGenerator<LiveFrame> {
  for await (const { event, data } of messagesOf(operator, FRAMES, signal)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Weir's own answer, of the same package
    if (event === 'frame') yield JSON.parse(data) as LiveFrame
  }
}

/** Events of late, then as they come. Ends with the connection. @throws NoOperatorError */
export async function* eventsOf(operator: URL, signal: AbortSignal): AsyncGenerator<EventView> {
  for await (const { data } of messagesOf(operator, EVENTS, signal)) {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- Weir's own answer, of the same package
    yield JSON.parse(data) as EventView
  }
}

async function* messagesOf(operator: URL, path: string, signal: AbortSignal): AsyncGenerator<StreamMessage> {
  const watched = new AbortController()
  const silence = setTimeout(() => watched.abort(), SILENCE_MS)
  try {
    const either = AbortSignal.any([signal, watched.signal])
    const answer = await fetch(new URL(path, operator), { signal: either }).catch((error: unknown) => {
      throw new NoOperatorError(
        `nothing answers at ${operator.origin} (${reasonOf(error)}): start Weir, or name its operator's listener with --operator http://host:port`,
      )
    })
    const type = answer.headers.get('content-type') ?? ''
    if (!answer.ok || answer.body === null || !type.startsWith('text/event-stream')) {
      await answer.body?.cancel()
      throw new NoOperatorError(
        `${operator.origin} answers ${answer.status} at ${path}: name the operator's listener of Weir, not that of its agents, with --operator http://host:port`,
      )
    }
    // Events may be rare: only the frames tell a silence.
    if (path === EVENTS) clearTimeout(silence)
    for await (const message of parseStream(answer.body.pipeThrough(new TextDecoderStream()))) {
      if (path !== EVENTS) silence.refresh()
      yield message
    }
  } catch (error) {
    if (error instanceof NoOperatorError) throw error
    // A connection that breaks is an end like any other: the caller comes back.
  } finally {
    clearTimeout(silence)
  }
}

/** Messages of a stream of server-sent events. Comments and fields other than `event` and `data` are left out. */
export async function* parseStream(chunks: AsyncIterable<string>): AsyncGenerator<StreamMessage> {
  let text = ''
  for await (const chunk of chunks) {
    text += chunk
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n')
      text = text.slice(end + 2)
      const data = fieldOf(lines, 'data')
      if (data !== undefined) yield { event: fieldOf(lines, 'event') ?? 'message', data }
    }
    if (text.length > LONGEST_MESSAGE) throw new Error(`a message of more than ${LONGEST_MESSAGE} characters`)
  }
}

function fieldOf(lines: readonly string[], name: string): string | undefined {
  const line = lines.find((each) => each.startsWith(`${name}: `))
  return line?.slice(name.length + 2)
}

function reasonOf(error: unknown): string {
  const cause: unknown = error instanceof Error ? error.cause : undefined
  if (cause instanceof Error && 'code' in cause) return String(cause.code)
  return error instanceof Error && error.name !== 'AbortError' ? error.message : 'no answer in 5 s'
}
