/** An MCP client whose server is behind a Weir. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

const weir = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080'

const client = new Client({ name: 'example', version: '1.0.0' })
await client.connect(new StreamableHTTPClientTransport(new URL(`${weir}/@toolsmith/tools/mcp`)))
const { tools } = await client.listTools()
console.log('tools:', tools.map(({ name }) => name).join(', '))
const result = await client.callTool({ name: tools[0]!.name, arguments: { query: 'weir' } })
console.log('result:', JSON.stringify(result.content).slice(0, 80))
await client.close()
