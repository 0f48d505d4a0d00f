/**
 * A wire to the upstream that keeps its answers back until it is told: what refuses at once on loopback comes back
 * before the rest of a fan-out has left, as it never does over a distance, and how far that is a busy machine decides.
 */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface PatientWire {
  readonly url: string
  keep(): void
  /** What was kept, and what follows. */
  pass(): void
  close(): Promise<void>
}

export async function startPatientWire(targetUrl: string): Promise<PatientWire> {
  const port = Number(new URL(targetUrl).port)
  const open = new Set<Socket>()
  const kept: (() => void)[] = []
  let isKeeping = false
  const answer = (deliver: () => void): void => {
    if (isKeeping) kept.push(deliver)
    else deliver()
  }
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true })
    near.pipe(far)
    near.on('close', () => far.destroy())
    far.on('data', (chunk: Buffer) => answer(() => near.write(chunk)))
    far.on('end', () => answer(() => near.end()))
    far.on('close', () => answer(() => near.destroy()))
    for (const socket of [near, far]) {
      socket.on('error', () => {})
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
      for (const deliver of kept.splice(0)) deliver()
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of open) socket.destroy()
      await closed
    },
  }
}
