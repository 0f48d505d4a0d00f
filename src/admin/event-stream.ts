/** The operator's stream of events (SSE): what happened lately, then what happens. A reader that does not read is cut. */
import type { ServerResponse } from 'node:http'
import type { EventFeed, FeedEntry } from '../telemetry/event-feed.ts'
import type { EventView } from './views.ts'

/** Streams at once; each costs a socket and a buffer. */
export const MAX_STREAMS = 32
/** Unread bytes after which a reader is gone. */
const maxBacklogBytes = 256 * 1024
/** Silence that proxies between us and a browser bear (60 s is common) is longer than this. */
const heartbeatMs = 15_000

/** Serves one reader until it leaves; `lastId` is the last event that it saw, 0 = none. */
export function streamEvents(feed: EventFeed<EventView>, response: ServerResponse, lastId: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-store' })
  response.write('retry: 2000\n\n')
  const send = (text: string): void => {
    if (response.writableLength > maxBacklogBytes) response.destroy()
    else response.write(text)
  }
  for (const entry of feed.since(lastId)) send(wire(entry))
  const stop = feed.subscribe((entry) => send(wire(entry)))
  const heartbeat = setInterval(() => send(': \n\n'), heartbeatMs)
  heartbeat.unref()
  response.on('close', () => {
    clearInterval(heartbeat)
    stop()
  })
}

function wire({ id, event }: FeedEntry<EventView>): string {
  return `id: ${id}\nevent: ${event.name}\ndata: ${JSON.stringify(event)}\n\n`
}
