/** The operator's streams (SSE): what happened lately, then what happens. A reader that does not read is cut. */
import type { ServerResponse } from 'node:http'
import type { EventFeed, FeedEntry } from '../telemetry/event-feed.ts'
import type { LiveFeed } from './live-feed.ts'
import type { EventView } from './views.ts'

/** Streams of one kind at once; each costs a socket and a buffer. */
export const MAX_STREAMS = 32
/** Unread bytes after which a reader is gone. */
const maxBacklogBytes = 256 * 1024
/** Silence that proxies between us and a browser bear (60 s is common) is longer than this. */
const heartbeatMs = 15_000

/** Serves one reader until it leaves; `lastId` is the last event that it saw, 0 = none. */
export function streamEvents(feed: EventFeed<EventView>, response: ServerResponse, lastId: number): void {
  const stream = openStream(response)
  for (const entry of feed.since(lastId)) stream.send(wire(entry))
  stream.onEnd(feed.subscribe((entry) => stream.send(wire(entry))))
}

/** What was seen lately (`history`), then one `frame` a second. */
export function streamFrames(feed: LiveFeed, response: ServerResponse): void {
  const stream = openStream(response)
  stream.send(`event: history\ndata: ${feed.history()}\n\n`)
  stream.onEnd(feed.watch((frame) => stream.send(`event: frame\ndata: ${frame}\n\n`)))
}

interface Stream {
  send(text: string): void
  /** `stop` runs once, when the reader is gone. */
  onEnd(stop: () => void): void
}

function openStream(response: ServerResponse): Stream {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
  response.write('retry: 2000\n\n')
  const send = (text: string): void => {
    if (response.writableLength > maxBacklogBytes) response.destroy()
    else response.write(text)
  }
  const heartbeat = setInterval(() => send(': \n\n'), heartbeatMs)
  heartbeat.unref()
  response.on('close', () => clearInterval(heartbeat))
  return { send, onEnd: (stop) => void response.on('close', stop) }
}

function wire({ id, event }: FeedEntry<EventView>): string {
  return `id: ${id}\nevent: ${event.name}\ndata: ${JSON.stringify(event)}\n\n`
}
