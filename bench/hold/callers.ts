/** Clients that cost their process little: a socket each, which asks and waits for the end of a short answer. */
import { connect, type Socket } from 'node:net'

export interface Caller {
  readonly socket: Socket
  /** Told of what arrives, if anybody asks. */
  heard: ((text: string) => void) | undefined
}

/** @throws when nobody accepts */
export async function open(port: number): Promise<Caller> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const caller: Caller = { socket, heard: undefined }
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => caller.heard?.(text))
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.on('error', () => {})
  return caller
}

/** Resolves with an answer of known length, which must be a 200. */
export async function ask(caller: Caller, request: string): Promise<string> {
  return await new Promise((resolve, reject) => {
    let text = ''
    caller.heard = (more) => {
      text += more
      const end = text.indexOf('\r\n\r\n')
      if (end === -1) return
      const length = Number(/content-length: *(\d+)/i.exec(text.slice(0, end))?.[1])
      if (!text.startsWith('HTTP/1.1 200')) reject(new Error(`not 200: ${text.slice(0, 80)}`))
      if (text.length < end + 4 + length) return
      caller.heard = undefined
      resolve(text.slice(end + 4))
    }
    caller.socket.write(request)
  })
}

export function closeAll(callers: readonly Caller[]): void {
  for (const { socket } of callers) socket.destroy()
}
