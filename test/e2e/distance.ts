/**
 * A wire of some length: every byte takes `delayMs` each way. What refuses at once on loopback misleads otherwise. Its
 * answers can be kept back, too: how far is far enough, a busy machine decides.
 */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface Distance {
  readonly url: string
  /** No answer arrives any more. */
  keep(): void
  /** What was kept arrives, and what follows. */
  pass(): void
  close(): Promise<void>
}

type Deliver = () => void

export async function startDistance(targetUrl: string, delayMs: number): Promise<Distance> {
  const port = Number(new URL(targetUrl).port)
  const open = new Set<Socket>()
  const kept: Deliver[] = []
  let isKeeping = false
  // Timers of one length fire in the order in which they were set: bytes stay in order.
  const later = (deliver: Deliver): void => void setTimeout(deliver, delayMs)
  const answer = (deliver: Deliver): void => {
    if (isKeeping) kept.push(deliver)
    else later(deliver)
  }
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true })
    carry(near, far, later)
    carry(far, near, answer)
    for (const socket of [near, far]) {
      open.add(socket)
      socket.on('close', () => open.delete(socket))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    keep() {
      isKeeping = true
    },
    pass() {
      isKeeping = false
      for (const deliver of kept.splice(0)) later(deliver)
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}

function carry(from: Socket, to: Socket, when: (deliver: Deliver) => void): void {
  from.on('data', (chunk: Buffer) => when(() => to.write(chunk)))
  from.on('end', () => when(() => to.end()))
  from.on('close', () => when(() => to.destroy()))
  from.on('error', () => {})
}
