/** OpenAI's SDK through a Weir: the base URL is all that changes. Identity is in it, or in headers, or in neither. */
import OpenAI from 'openai'

const weir = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080'

const client = new OpenAI({
  apiKey: process.env['OPENAI_API_KEY'] ?? 'sandbox',
  baseURL: `${weir}/@researcher.run-42/openai/v1`,
})

const messages = [{ role: 'user' as const, content: 'What is a weir?' }]
const { data, response } = await client.chat.completions
  .create({ model: 'sandbox-1', messages })
  .withResponse()
console.log('answer:', data.choices[0]?.message.content)
console.log('call:', response.headers.get('weir-call-id'))

let chunks = 0
for await (const _ of await client.chat.completions.create({ model: 'sandbox-1', messages, stream: true }))
  chunks += 1
console.log('streamed chunks:', chunks)
