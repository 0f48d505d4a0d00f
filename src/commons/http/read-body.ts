/** Reads a request's body: bounded in bytes and in silence. */
import type { IncomingMessage } from 'node:http'
import type { Millis } from '../../core/model.ts'
import { Refused } from '../refused.ts'

const SILENCE_MS: Millis = 10_000

/** @throws Refused `too-large`, `malformed` when it does not come */
export function readBody(request: IncomingMessage, mostBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    let bytes = 0
    const stop = (error?: Error): void => {
      clearTimeout(timer)
      request.off('data', more)
      request.off('end', whole)
      request.off('error', broken)
      request.off('close', broken)
      if (error === undefined) resolve(Buffer.concat(parts, bytes))
      else reject(error)
    }
    const more = (part: Buffer): void => {
      timer.refresh()
      bytes += part.length
      parts.push(part)
      if (bytes > mostBytes) {
        stop(new Refused('too-large', `the body is larger than ${mostBytes} bytes`))
        request.resume()
      }
    }
    const whole = (): void => stop()
    const broken = (): void => stop(new Refused('malformed', 'the body did not come to its end'))
    const timer = setTimeout(
      () => stop(new Refused('malformed', 'the body did not come in time')),
      SILENCE_MS,
    )
    request.on('data', more)
    request.once('end', whole)
    request.once('error', broken)
    request.once('close', broken)
  })
}
