/**
 * The real clients, each behind the same two verbs: ask for an answer, ask for a stream. Everything else is as the
 * client does it by itself: its retries, its headers, its connections. Loaded when first used, because the current
 * majors of some need Node 22 or later.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { Readable } from 'node:stream'
import type { Ask, Client } from './client.ts'
import { ID_HEADER } from './kit.ts'

const ordinary = { upstream: 'tools', retries: true, anonymous: 'peer', abortCloses: true } as const

const openai: Client = {
  ...ordinary,
  name: 'openai',
  family: 'openai-js',
  upstream: 'openai',
  anonymous: 'key',
  async connect(base) {
    const { default: OpenAI } = await import('openai')
    const client = new OpenAI({ apiKey: 'sk-openai', baseURL: `${base}/v1` })
    const body = (text: string) => ({ model: 'm', messages: [{ role: 'user' as const, content: text }] })
    const options = ({ id, signal }: Ask) => ({ headers: { [ID_HEADER]: id }, ...optional({ signal }) })
    return {
      async ask(call) {
        const answer = await client.chat.completions.create(body(call.text), options(call))
        return answer.choices[0]?.message.content ?? ''
      },
      async *stream(call) {
        const chunks = await client.chat.completions.create(
          { ...body(call.text), stream: true },
          options(call),
        )
        for await (const chunk of chunks) yield chunk.choices[0]?.delta.content ?? ''
      },
    }
  },
}

const anthropic: Client = {
  ...ordinary,
  name: 'anthropic',
  family: 'anthropic-js',
  upstream: 'anthropic',
  anonymous: 'key',
  async connect(base) {
    const { default: Anthropic } = await import('@anthropic-ai/sdk')
    const client = new Anthropic({ apiKey: 'sk-anthropic', baseURL: base })
    const body = (text: string) => ({
      model: 'm',
      max_tokens: 64,
      messages: [{ role: 'user' as const, content: text }],
    })
    const options = ({ id, signal }: Ask) => ({ headers: { [ID_HEADER]: id }, ...optional({ signal }) })
    return {
      async ask(call) {
        const answer = await client.messages.create(body(call.text), options(call))
        return answer.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
      },
      async *stream(call) {
        const events = await client.messages.create({ ...body(call.text), stream: true }, options(call))
        for await (const event of events) {
          if (event.type === 'content_block_delta' && event.delta.type === 'text_delta')
            yield event.delta.text
        }
      },
    }
  },
}

const aiSdk: Client = {
  ...ordinary,
  name: 'ai-sdk',
  family: 'ai-sdk',
  upstream: 'openai',
  anonymous: 'key',
  async connect(base) {
    const [{ generateText, streamText }, { createOpenAI }] = await Promise.all([
      import('ai'),
      import('@ai-sdk/openai'),
    ])
    const model = createOpenAI({ apiKey: 'sk-ai', baseURL: `${base}/v1` }).chat('m')
    const options = ({ id, text, signal }: Ask) => ({
      model,
      prompt: text,
      headers: { [ID_HEADER]: id },
      ...(signal === undefined ? {} : { abortSignal: signal }),
    })
    return {
      ask: async (call) => (await generateText(options(call))).text,
      stream: (call) => streamText({ ...options(call), onError: () => {} }).textStream,
    }
  },
}

const langchain: Client = {
  ...ordinary,
  name: 'langchain',
  family: 'langchain-js',
  upstream: 'openai',
  anonymous: 'key',
  async connect(base) {
    const { ChatOpenAI } = await import('@langchain/openai')
    const model = new ChatOpenAI({
      apiKey: 'sk-langchain',
      model: 'm',
      configuration: { baseURL: `${base}/v1` },
    })
    const options = ({ id, signal }: Ask) => ({
      options: { headers: { [ID_HEADER]: id } },
      ...optional({ signal }),
    })
    return {
      ask: async (call) => (await model.invoke(call.text, options(call))).text,
      async *stream(call) {
        for await (const chunk of await model.stream(call.text, options(call))) yield chunk.text
      },
    }
  },
}

function genai(name: string, retries: boolean): Client {
  return {
    ...ordinary,
    name,
    family: 'genai-js',
    retries,
    anonymous: 'key',
    async connect(base) {
      const { GoogleGenAI } = await import('@google/genai')
      const client = new GoogleGenAI({
        apiKey: 'sk-genai',
        httpOptions: { baseUrl: base, ...(retries ? { retryOptions: {} } : {}) },
      })
      const asked = ({ id, text, signal }: Ask) => ({
        model: 'm',
        contents: text,
        config: {
          httpOptions: { headers: { [ID_HEADER]: id } },
          ...(signal === undefined ? {} : { abortSignal: signal }),
        },
      })
      return {
        ask: async (call) => (await client.models.generateContent(asked(call))).text ?? '',
        async *stream(call) {
          for await (const chunk of await client.models.generateContentStream(asked(call)))
            yield chunk.text ?? ''
        },
      }
    },
  }
}

const mcp: Client = {
  ...ordinary,
  name: 'mcp',
  family: 'mcp',
  retries: false,
  abortCloses: false,
  async connect(base) {
    const [{ Client: McpClient }, { StreamableHTTPClientTransport }] = await Promise.all([
      import('@modelcontextprotocol/sdk/client/index.js'),
      import('@modelcontextprotocol/sdk/client/streamableHttp.js'),
    ])
    const current = new AsyncLocalStorage<string>()
    const transport = new StreamableHTTPClientTransport(new URL(`${base}/mcp`), {
      fetch(url, init) {
        const headers = new Headers(init?.headers)
        headers.set(ID_HEADER, current.getStore() ?? 'session')
        return fetch(url, { ...init, headers })
      },
    })
    const client = new McpClient({ name: 'e2e', version: '1' })
    // The SDK's own class is not assignable to its own interface under exactOptionalPropertyTypes.
    await client.connect(transport as Parameters<typeof client.connect>[0])
    return {
      async ask({ id, text, signal }) {
        const params = { name: 'lookup', arguments: { text } }
        const result = await current.run(id, () => client.callTool(params, undefined, optional({ signal })))
        return JSON.stringify(result.content)
      },
      close: () => client.close(),
    }
  },
}

function axios(name: string, retries: boolean): Client {
  return {
    ...ordinary,
    name,
    family: 'axios',
    retries,
    async connect(base) {
      const [{ default: library }, { default: axiosRetry }] = await Promise.all([
        import('axios'),
        import('axios-retry'),
      ])
      const client = library.create({ baseURL: base })
      if (retries) axiosRetry(client, { retries: 3, retryDelay: axiosRetry.exponentialDelay })
      const options = ({ id, signal }: Ask) => ({ headers: { [ID_HEADER]: id }, ...optional({ signal }) })
      return {
        async ask(call) {
          const answer = retries
            ? await client.get(itemOf(call), { ...options(call), responseType: 'text' })
            : await client.post('/verify', { subject: call.text }, { ...options(call), responseType: 'text' })
          return String(answer.data)
        },
        async *stream(call) {
          const answer = await client.get(EVENTS, { ...options(call), responseType: 'stream' })
          yield* texts(answer.data as Readable)
        },
      }
    },
  }
}

function got(name: string, retries: boolean): Client {
  return {
    ...ordinary,
    name,
    family: 'got',
    retries,
    async connect(base) {
      const { default: library } = await import('got')
      const options = ({ id, signal }: Ask) => ({ headers: { [ID_HEADER]: id }, ...optional({ signal }) })
      return {
        ask: async (call) =>
          retries
            ? await library.get(base + itemOf(call), options(call)).text()
            : await library.post(`${base}/verify`, { ...options(call), json: { subject: call.text } }).text(),
        stream: (call) => texts(library.stream(base + EVENTS, options(call))),
      }
    },
  }
}

const nodeFetch: Client = {
  ...ordinary,
  name: 'fetch',
  family: 'node-fetch',
  retries: false,
  connect(base) {
    const options = ({ id, signal }: Ask) => ({ headers: { [ID_HEADER]: id }, ...optional({ signal }) })
    return Promise.resolve({
      async ask(call) {
        const { headers, ...rest } = options(call)
        const answer = await fetch(`${base}/verify`, {
          ...rest,
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: JSON.stringify({ subject: call.text }),
        })
        return await whole(answer.status, answer.text())
      },
      async *stream(call) {
        const answer = await fetch(base + EVENTS, options(call))
        if (answer.body === null) return
        const decoder = new TextDecoder()
        for await (const chunk of answer.body) yield decoder.decode(chunk as Uint8Array)
      },
    })
  },
}

function undici(name: string, retries: boolean): Client {
  return {
    ...ordinary,
    name,
    family: 'undici',
    retries,
    async connect(base) {
      const { Agent, RetryAgent, request } = await import('undici')
      const agent = new Agent()
      const dispatcher = retries ? new RetryAgent(agent) : agent
      const options = ({ id, signal }: Ask) => ({
        dispatcher,
        headers: { [ID_HEADER]: id },
        ...optional({ signal }),
      })
      return {
        async ask(call) {
          const { statusCode, body } = await request(base + itemOf(call), options(call))
          return await whole(statusCode, body.text())
        },
        async *stream(call) {
          const { body } = await request(base + EVENTS, options(call))
          yield* texts(body)
        },
        close: () => agent.close(),
      }
    },
  }
}

export const CLIENTS: readonly Client[] = [
  openai,
  anthropic,
  aiSdk,
  langchain,
  genai('genai', false),
  genai('genai-retrying', true),
  mcp,
  axios('axios', false),
  axios('axios-retry', true),
  got('got', true),
  got('got-post', false),
  nodeFetch,
  undici('undici', false),
  undici('undici-retry-agent', true),
]

/** Twelve events, evenly over the service time. */
const EVENTS = '/events?sse=12'

function itemOf({ text }: Ask): string {
  return `/items?of=${encodeURIComponent(text)}`
}

async function* texts(stream: AsyncIterable<unknown>): AsyncIterable<string> {
  for await (const chunk of stream) yield String(chunk)
}

/** A client without opinions on statuses would take a refusal for an answer. */
async function whole(status: number, text: Promise<string>): Promise<string> {
  if (status >= 400) throw new Error(`status ${status}: ${await text}`)
  return await text
}

function optional(given: { readonly signal?: AbortSignal | undefined }): { signal?: AbortSignal } {
  return given.signal === undefined ? {} : { signal: given.signal }
}
