// @fastify/reply-from with undici, as its README shows it; bodies are streamed.
import replyFrom from '@fastify/reply-from'
import fastify from 'fastify'

const [, , port, upstream] = process.argv
const app = fastify({ keepAliveTimeout: 120_000, bodyLimit: 64 * 1024 * 1024 })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', (_request, payload, done) => done(null, payload))
app.register(replyFrom, { base: `http://127.0.0.1:${upstream}`, undici: { connections: 128 } })
app.all('/*', (request, reply) => reply.from(request.raw.url))
await app.listen({ port: Number(port), host: '127.0.0.1' })
process.on('SIGTERM', () => process.exit(0))
