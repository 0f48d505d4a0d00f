// @portkey-ai/gateway as its README starts it, without its page; the upstream is named in headers of each call.
const [, , port] = process.argv
process.env.TRUSTED_CUSTOM_HOSTS = '127.0.0.1,localhost'
process.argv = [process.argv[0], process.argv[1], `--port=${port}`, '--headless']
await import('../node_modules/@portkey-ai/gateway/build/start-server.js')
process.on('SIGTERM', () => process.exit(0))
