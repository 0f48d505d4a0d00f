/** LangChain.js through a Weir, with the identity of the agent and of the run carried along. */
import { ChatOpenAI } from '@langchain/openai'
import { coordinatedFetch, forLangChainOpenAI, withAgent, withWorkflow } from 'weir-proxy/wrap'

const weir = process.env['WEIR_URL'] ?? 'http://127.0.0.1:8080'

const fetch = coordinatedFetch({ weir, upstreams: { openai: 'https://api.openai.com' } })
const model = new ChatOpenAI({ model: 'sandbox-1', apiKey: 'sandbox', ...forLangChainOpenAI(fetch) })

const answer = await withWorkflow('chain-1', () =>
  withAgent('chainer', () => model.invoke([{ role: 'user', content: 'What is a weir?' }])),
)
console.log('answer:', answer.content)
