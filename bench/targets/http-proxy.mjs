// http-proxy 1.18. As its README shows it (no agent: a new upstream connection per call), or with a keep-alive agent.
import http from 'node:http'
import httpProxy from 'http-proxy'

const [, , port, upstream, mode] = process.argv
const agent = mode === 'keep-alive' ? new http.Agent({ keepAlive: true, maxSockets: 256 }) : undefined
const proxy = httpProxy.createProxyServer({ target: `http://127.0.0.1:${upstream}`, agent })
proxy.on('error', (_error, _request, response) => response.writeHead?.(502).end())
const server = http.createServer((request, response) => proxy.web(request, response))
server.keepAliveTimeout = 120_000
server.listen(Number(port), '127.0.0.1')
process.on('SIGTERM', () => process.exit(0))
