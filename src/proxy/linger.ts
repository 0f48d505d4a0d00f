/**
 * The end of an answer that overtook its request. Node goes on reading such a body without end once the answer
 * is out; closing at once instead resets the connection, and the client loses the answer with it. So the rest is
 * read for a moment and the connection closed if it has still not ended (nginx `lingering_close`).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Millis } from '../core/model.ts'

/** promises.md row 40: drain at most 1 s and 256 KiB. */
const LINGER_MS: Millis = 1000
const LINGER_BYTES = 256 * 1024
/** How often both bounds are looked at. */
const LOOK_EVERY_MS: Millis = 50

/** Bounds what is read of `request` after `response` has been ended. No effect on a request read to its end. */
export function linger(request: IncomingMessage, response: ServerResponse): void {
  if (request.complete) return
  response.once('finish', () => {
    if (request.complete) return
    const socket = request.socket
    const bytesBefore = socket.bytesRead
    let leftMs = LINGER_MS
    const timer = setInterval(() => {
      leftMs -= LOOK_EVERY_MS
      if (!request.complete && !socket.destroyed) {
        if (leftMs > 0 && socket.bytesRead - bytesBefore <= LINGER_BYTES) return
        socket.destroy()
      }
      clearInterval(timer)
    }, LOOK_EVERY_MS)
  })
}
