/** From where a stream goes on. */
import type { IncomingHttpHeaders } from 'node:http'
import { malformed } from '../refused.ts'

/** After `Last-Event-ID`, else after the newest. @throws Refused `malformed` */
export async function placeToStart(
  headers: IncomingHttpHeaders,
  newest: () => Promise<number>,
): Promise<number> {
  const text = headers['last-event-id']
  if (text === undefined || text === '') return newest()
  if (typeof text === 'string' && /^[0-9]{1,15}$/.test(text)) return Number(text)
  throw malformed('Last-Event-ID', 'no id of this stream', 'the id of an event that this stream sent')
}
