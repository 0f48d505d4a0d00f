/** Vercel's AI SDK through a Weir; identity carried by `withAgent`. */
import { createOpenAI } from '@ai-sdk/openai'
import { generateText, streamText } from 'ai'
import { coordinatedFetch, forVercelAI, withAgent } from 'weir-proxy/wrap'

const weir = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080'

const fetch = coordinatedFetch({ weir, upstreams: { openai: 'https://api.openai.com' } })
const openai = createOpenAI({ apiKey: 'sandbox', ...forVercelAI(fetch) })
const model = openai.chat('sandbox-1')

await withAgent('vercel', async () => {
  const { text } = await generateText({ model, prompt: 'What is a weir?' })
  console.log('answer:', text)
  let chunks = 0
  for await (const _ of streamText({ model, prompt: 'What is a weir?' }).textStream) chunks += 1
  console.log('streamed chunks:', chunks)
})
