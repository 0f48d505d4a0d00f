/**
 * What the conformance suite wants a server to offer, so that it can see every kind of content, message and question
 * cross the wire. Only tests offer it: the product offers its own operations, by the same seam.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import type { JsonObject } from '../../src/commons/json.ts'
import { filledIn, type Conversation, type Question } from '../../src/commons/mcp/conversation.ts'
import { INVALID_PARAMS, McpFault } from '../../src/commons/mcp/fault.ts'
import type { McpOffer } from '../../src/commons/mcp/offer.ts'
import { Refused } from '../../src/commons/refused.ts'

/** One red pixel, and a WAV without a sample. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA='
/** Between two messages of one call, as the suite wants it. */
const PAUSE_MS = 50

type Result = Awaited<ReturnType<McpOffer['call']>>
type Content = Result['content'][number]

const text = (said: string): Content => ({ type: 'text', text: said })
const image: Content = { type: 'image', data: PNG, mimeType: 'image/png' }
const resource = (uri: string, mimeType: string, said: string): Content => ({
  type: 'resource',
  resource: { uri, mimeType, text: said },
})

type Properties = Readonly<Record<string, JsonObject>>

const form = (message: string, properties: Properties, required: readonly string[] = []): Question => ({
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties, required } },
})
const sample = (said: string, maxTokens = 100): Question => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: said } }], maxTokens },
})
const roots: Question = { method: 'roots/list', params: {} }
const name = form('What is your name?', { name: { type: 'string' } }, ['name'])
const confirm = form('Please confirm', { ok: { type: 'boolean' } }, ['ok'])

/** A call that asks all of this at once, and says what it was told. */
const asks =
  (questions: Readonly<Record<string, Question>>, prefix = '') =>
  async (_given: JsonObject, { ask }: Conversation): Promise<Result> => ({
    content: [text(`${prefix}${JSON.stringify(await ask(questions))}`)],
  })

/** A call that fills in one form. */
const fills =
  (properties: Properties) =>
  async (_given: JsonObject, { ask }: Conversation): Promise<Result> => {
    const { form: filled } = await ask({ form: form('Please fill this in', properties) })
    const { action, content } = filled!
    return {
      content: [
        text(`Elicitation completed: action=${String(action)}, content=${JSON.stringify(content ?? {})}`),
      ],
    }
  }

const options = (...names: string[]): JsonObject[] =>
  names.map((each, index) => ({ const: `value${index + 1}`, title: each }))
const OPTIONS = ['option1', 'option2', 'option3']

/** A tool whose schema says more than most: it must arrive whole. */
const SCHEMA_TOOL = 'json_schema_2020_12_tool'
const SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // oxlint-disable-next-line unicorn/no-thenable -- a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
} as const

type Tool = (given: JsonObject, conversation: Conversation) => Result | Promise<Result>

const TOOLS: Readonly<Record<string, Tool>> = {
  test_simple_text: () => ({ content: [text('This is a simple text response for testing.')] }),
  test_image_content: () => ({ content: [image] }),
  test_audio_content: () => ({ content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] }),
  test_embedded_resource: () => ({
    content: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  }),
  test_multiple_content_types: () => ({
    content: [
      text('Multiple content types test:'),
      image,
      resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ],
  }),
  [SCHEMA_TOOL]: () => ({ content: [text('fits')] }),
  test_error_handling: () => ({
    content: [text('This tool intentionally returns an error for testing')],
    isError: true,
  }),
  async test_tool_with_progress(_given, conversation) {
    for (const done of [0, 50, 100]) {
      conversation.progress(done, 100)
      await sleep(PAUSE_MS)
    }
    return { content: [text('done')] }
  },
  async test_tool_with_logging(_given, conversation) {
    for (const said of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      conversation.log('info', 'test', said)
      await sleep(PAUSE_MS)
    }
    return { content: [text('done')] }
  },
  test_logging_tool(_given, conversation) {
    conversation.log('info', 'test', 'said')
    return { content: [text('logged')] }
  },
  async test_sampling({ prompt }, { ask }) {
    const { answer } = await ask({ answer: sample(String(prompt)) })
    return { content: [text(`LLM response: ${JSON.stringify(answer!['content'])}`)] }
  },
  async test_elicitation({ message }, { ask }) {
    const properties = {
      username: { type: 'string', description: "User's response" },
      email: { type: 'string', description: "User's email address" },
    }
    const { user } = await ask({ user: form(String(message), properties, ['username', 'email']) })
    return { content: [text(`User response: ${JSON.stringify(user)}`)] }
  },
  test_elicitation_sep1034_defaults: fills({
    name: { type: 'string', default: 'John Doe' },
    age: { type: 'integer', default: 30 },
    score: { type: 'number', default: 95.5 },
    status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
    verified: { type: 'boolean', default: true },
  }),
  test_elicitation_sep1330_enums: fills({
    untitledSingle: { type: 'string', enum: OPTIONS },
    titledSingle: { type: 'string', oneOf: options('First Option', 'Second Option', 'Third Option') },
    legacyEnum: {
      type: 'string',
      enum: ['opt1', 'opt2', 'opt3'],
      enumNames: ['Option One', 'Option Two', 'Option Three'],
    },
    untitledMulti: { type: 'array', items: { type: 'string', enum: OPTIONS } },
    titledMulti: {
      type: 'array',
      items: { anyOf: options('First Choice', 'Second Choice', 'Third Choice') },
    },
  }),
  test_missing_capability: asks({ answer: sample('a question') }),
  test_streaming_elicitation: asks({ user_name: name }),
  async test_input_required_result_elicitation(_given, { ask }) {
    const { user_name: answer } = await ask({ user_name: name })
    return { content: [text(`Hello, ${String(filledIn(answer)?.['name'])}!`)] }
  },
  test_input_required_result_sampling: asks({ capital_question: sample('What is the capital of France?') }),
  test_input_required_result_list_roots: asks({ client_roots: roots }),
  test_input_required_result_request_state: asks({ confirm }, 'state-ok '),
  test_input_required_result_tampered_state: asks({ confirm }),
  test_input_required_result_multiple_inputs: asks({
    user_name: name,
    greeting: sample('Generate a greeting', 50),
    client_roots: roots,
  }),
  async test_input_required_result_multi_round(_given, { ask }) {
    const step1 = form('Step 1: What is your name?', { name: { type: 'string' } }, ['name'])
    const step2 = form('Step 2: What is your favorite color?', { color: { type: 'string' } }, ['color'])
    const first = await ask({ step1 })
    const second = await ask({ step2 })
    return { content: [text(JSON.stringify({ ...first, ...second }))] }
  },
  async test_input_required_result_capabilities(_given, { ask, can }) {
    const answers = await ask({
      ...(can('elicitation') ? { user_name: name } : {}),
      ...(can('sampling') ? { greeting: sample('Generate a greeting') } : {}),
    })
    return { content: [text(JSON.stringify(answers))] }
  },
}

type Prompt = Awaited<ReturnType<McpOffer['prompt']>>
type Given = Parameters<McpOffer['prompt']>[1]

const said = (...contents: Content[]): Prompt => ({
  messages: contents.map((content) => ({ role: 'user', content })),
})

type Says = (given: Given, conversation: Conversation) => Prompt | Promise<Prompt>

/** By name: the arguments that it needs, and what it says. */
const PROMPTS: Readonly<Record<string, [readonly string[], Says]>> = {
  test_simple_prompt: [[], () => said(text('This is a simple prompt for testing.'))],
  test_prompt_with_arguments: [
    ['arg1', 'arg2'],
    ({ arg1, arg2 }) => said(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)),
  ],
  test_prompt_with_embedded_resource: [
    ['resourceUri'],
    ({ resourceUri = '' }) =>
      said(
        resource(resourceUri, 'text/plain', 'Embedded resource content for testing.'),
        text('Please process the embedded resource above.'),
      ),
  ],
  test_input_required_result_prompt: [
    [],
    async (_given, { ask }) => {
      const properties = { context: { type: 'string' } }
      const question = form('What context should the prompt use?', properties, ['context'])
      const { user_context: answer } = await ask({ user_context: question })
      return said(text(`Context: ${String(filledIn(answer)?.['context'])}`))
    },
  ],
  test_prompt_with_image: [[], () => said(image, text('Please analyze the image above.'))],
}

export function fixtureOffer(): McpOffer {
  const plain = { description: 'For the conformance suite', mimeType: 'text/plain' }
  return {
    instructions: 'For the conformance suite.',
    tools: Object.keys(TOOLS).map((called) => ({
      name: called,
      description: 'For the conformance suite',
      inputSchema: called === SCHEMA_TOOL ? SCHEMA : { type: 'object' },
    })),
    resources: [
      { uri: 'test://static-text', name: 'text', ...plain },
      { uri: 'test://static-binary', name: 'binary', ...plain, mimeType: 'image/png' },
      { uri: 'test://template/{id}/data', name: 'template', ...plain, mimeType: 'application/json' },
    ],
    prompts: Object.entries(PROMPTS).map(([called, [takes]]) => ({
      name: called,
      title: called,
      description: 'For the conformance suite',
      arguments: takes.map((each) => ({ name: each, description: 'For the suite', required: true })),
    })),
    async prompt(called, given, conversation) {
      const prompt = PROMPTS[called]
      if (prompt === undefined) throw new Refused('unknown', 'there is no such prompt')
      return prompt[1](given, conversation)
    },
    async checkFollowed(uri) {
      if (uri !== 'test://watched-resource') throw new Refused('unknown', 'there is no such resource')
    },
    changes: async () => async (following) => {
      if (!following.signal.aborted) await once(following.signal, 'abort')
    },
    complete: () => Promise.resolve({ values: ['test'], total: 1, hasMore: false }),
    async call(called, given, conversation) {
      const tool = TOOLS[called]
      if (tool === undefined) throw new McpFault(INVALID_PARAMS, `Unknown tool: ${called}`)
      return tool(given, conversation)
    },
    async read(uri) {
      if (uri === 'test://static-text') {
        return {
          contents: [
            { uri, mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
          ],
        }
      }
      if (uri === 'test://static-binary') return { contents: [{ uri, mimeType: 'image/png', blob: PNG }] }
      const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1]
      if (id === undefined) throw new Refused('unknown', 'there is no such resource')
      const data = { id, templateTest: true, data: `Data for ID: ${id}` }
      return { contents: [{ uri, mimeType: 'application/json', text: JSON.stringify(data) }] }
    },
  }
}
