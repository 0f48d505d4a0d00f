import { MessageChannel } from 'node:worker_threads'
import { afterAll, beforeAll, describe } from 'vitest'
import type { Board } from '../../src/board/board.ts'
import { IpcBoard, serveBoard, type Channel } from '../../src/board/ipc-board.ts'
import { MemoryBoard } from '../../src/board/memory-board.ts'
import { RedisBoard } from '../../src/board/redis-board.ts'
import { boardContract } from './board.contract.ts'
import { RedisServer, SERVERS } from '../kit/redis-server.ts'
import { targetOf } from './redis-target.ts'

const clock = (): number => performance.now()

boardContract('memory', async () => {
  const board = new MemoryBoard(clock)
  return { another: () => shared(board), close: () => board.close() }
})

boardContract('ipc', async () => {
  const hub = new MemoryBoard(clock)
  const ends: (() => void)[] = []
  return {
    another() {
      const { port1, port2 } = new MessageChannel()
      serveBoard(channelOf(port1), hub)
      ends.push(() => port1.close())
      return new IpcBoard(channelOf(port2))
    },
    async close() {
      for (const end of ends) end()
      await hub.close()
    },
  }
})

describe.each(SERVERS)('with a real %s', (kind) => {
  let server: RedisServer
  let keys = 0
  beforeAll(async () => {
    server = await RedisServer.startKind(kind)
  })
  afterAll(() => server.close())

  boardContract(kind, async () => {
    keys += 1
    const target = targetOf(server.port, { prefix: `test${keys}` })
    return { another: () => new RedisBoard(target), close: async () => {} }
  })
})

/** Closing one replica's view of a shared board leaves it to the others. */
function shared(board: MemoryBoard): Board {
  return {
    kind: board.kind,
    exchange: board.exchange.bind(board),
    leave: board.leave.bind(board),
    close: async () => {},
    get traffic() {
      return board.traffic
    },
  }
}

function channelOf(port: MessageChannel['port1']): Channel {
  return {
    connected: true,
    send: (message) => port.postMessage(message),
    onMessage: (listener) => port.on('message', listener),
  }
}
