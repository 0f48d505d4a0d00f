/** A server of Node's that answers and does nothing else: what a connection costs before a proxy adds to it. */
import { createServer } from 'node:http'

const server = createServer((_request, response) => {
  response.setHeader('content-length', 2)
  response.end('ok')
})
server.keepAliveTimeout = 3_600_000
server.listen(Number(process.argv[2]), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
