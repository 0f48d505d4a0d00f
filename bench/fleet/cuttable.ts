/** A way to a server that can be cut and joined again: what comes meanwhile is reset, what is open too. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'

export class Cuttable {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #cut = false

  private constructor(server: Server) {
    this.#server = server
    this.port = (server.address() as AddressInfo).port
  }

  static async to(port: number): Promise<Cuttable> {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const way = new Cuttable(server)
    server.on('connection', (socket) => way.#carry(socket, port))
    return way
  }

  cut(): void {
    this.#cut = true
    for (const socket of this.#sockets) socket.resetAndDestroy()
  }

  join(): void {
    this.#cut = false
  }

  close(): void {
    this.cut()
    this.#server.close()
  }

  #carry(socket: Socket, port: number): void {
    if (this.#cut) return void socket.resetAndDestroy()
    const other = connect(port, '127.0.0.1')
    for (const [one, two] of [
      [socket, other],
      [other, socket],
    ] as const) {
      this.#sockets.add(one)
      one.on('error', () => two.destroy())
      one.on('close', () => {
        this.#sockets.delete(one)
        two.destroy()
      })
      one.pipe(two)
    }
  }
}
