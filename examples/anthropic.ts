/** Anthropic's SDK through a Weir; its base URL is without `/v1`. */
import Anthropic from '@anthropic-ai/sdk'

const weir = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080'

const client = new Anthropic({
  apiKey: process.env['ANTHROPIC_API_KEY'] ?? 'sandbox',
  baseURL: `${weir}/anthropic`,
  defaultHeaders: { 'weir-agent': 'writer', 'weir-priority': 'interactive' },
})

const messages = [{ role: 'user' as const, content: 'What is a weir?' }]
const answer = await client.messages.create({ model: 'sandbox-1', max_tokens: 64, messages })
console.log('answer:', answer.content.map((part) => (part.type === 'text' ? part.text : '')).join(''))

const stream = client.messages.stream({ model: 'sandbox-1', max_tokens: 64, messages })
console.log('streamed:', (await stream.finalText()).length > 0)
