/** Notices, within milliseconds, that the client of a waiting call has left. */
import type { Call } from './call.ts'

/** Calls `gone` at most once; the result stops watching. */
export function watch(call: Call, gone: () => void): () => void {
  return call.response === undefined ? watchUpgrade(call, gone) : watchResponse(call, gone)
}

/** Whether the connection that a call waits on is closed; a late event of an earlier hop's is not. */
export function isGone(call: Call): boolean {
  return call.socket.destroyed || call.response?.destroyed === true
}

function watchResponse(call: Call, gone: () => void): () => void {
  const { response } = call
  response?.once('close', gone)
  return () => {
    response?.off('close', gone)
  }
}

/**
 * After an upgrade nobody reads the socket, and an unread socket reports no end. Listening for `readable` reads
 * ahead, bounded by the stream's own mark, and leaves every byte where the tunnel will look for it.
 */
function watchUpgrade({ socket }: Call, gone: () => void): () => void {
  const onReadable = (): void => {
    if (socket.readableLength === 0) socket.read()
  }
  const leave = (): void => {
    stop()
    // A half-closed socket waits for an answer that nobody will read.
    socket.destroy()
    gone()
  }
  const stop = (): void => {
    socket.off('readable', onReadable)
    socket.off('end', leave)
    socket.off('close', leave)
    socket.off('error', leave)
  }
  socket.on('readable', onReadable)
  socket.once('end', leave)
  socket.once('close', leave)
  socket.once('error', leave)
  return stop
}
