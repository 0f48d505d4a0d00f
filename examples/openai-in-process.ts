/** OpenAI's SDK with the core in this very process: no Weir runs anywhere. */
import OpenAI from 'openai'
import { CallRefused, coordinatedFetch, forOpenAI, withAgent, withWorkflow } from 'weir-proxy/wrap'

const upstream = process.env['UPSTREAM_URL'] ?? 'https://api.openai.com'

const policy = `
version: 1
rules:
  - name: no-files
    match: { path: /v1/files }
    mode: enforce
    then: { do: shed, final: true }
  - name: one-at-a-time
    mode: enforce
    then: { do: hold, hold: { max: 10s }, limits: [{ per: agent, concurrency: 1 }] }
`
const fetch = coordinatedFetch({ upstreams: { openai: upstream }, policy, onRefusal: 'throw' })
const client = new OpenAI({
  apiKey: process.env['OPENAI_API_KEY'] ?? 'sandbox',
  baseURL: `${upstream}/v1`,
  ...forOpenAI(fetch),
})

const ask = async (content: string): Promise<string> => {
  const messages = [{ role: 'user' as const, content }]
  const answer = await client.chat.completions.create({ model: 'sandbox-1', messages })
  return answer.choices[0]?.message.content ?? ''
}

const answers = await withWorkflow('run-42', () =>
  withAgent('researcher', () => Promise.all(['One?', 'Two?', 'Three?'].map(ask))),
)
console.log('answers:', answers.length)

const refused: unknown = await client.get('/files', { maxRetries: 0 }).catch((error: unknown) => error)
const cause = refused instanceof Error ? refused.cause : undefined
console.log('refused:', cause instanceof CallRefused ? cause.rule : refused)
