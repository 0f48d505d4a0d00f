/**
 * What the conformance suite wants a server to offer, so that it can see every kind of content cross the wire. Only
 * tests offer it: the product offers its own operations, by the same seam.
 */
import { McpFault, type McpOffer } from '../../src/commons/mcp/offer.ts'
import { Refused } from '../../src/commons/refused.ts'

/** One red pixel, and a WAV without a sample. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA='
/** MCP 2026-07-28, error codes: MissingRequiredClientCapabilityError. */
const MISSING_CAPABILITY = -32021

type Result = Awaited<ReturnType<McpOffer['call']>>
type Content = Result['content'][number]

const text = (said: string): Content => ({ type: 'text', text: said })
const image: Content = { type: 'image', data: PNG, mimeType: 'image/png' }
const resource = (uri: string, mimeType: string, said: string): Content => ({
  type: 'resource',
  resource: { uri, mimeType, text: said },
})

const TOOLS: Readonly<Record<string, () => Result>> = {
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
  test_error_handling: () => ({
    content: [text('This tool intentionally returns an error for testing')],
    isError: true,
  }),
  test_missing_capability: () => {
    throw new McpFault(MISSING_CAPABILITY, 'sampling is needed', { requiredCapabilities: { sampling: {} } })
  },
  test_streaming_elicitation: () => ({ content: [text('nothing to ask')] }),
  test_logging_tool: () => ({ content: [text('nothing to log')] }),
}

type Prompt = Awaited<ReturnType<McpOffer['prompt']>>
type Given = Parameters<McpOffer['prompt']>[1]

const said = (...contents: Content[]): Prompt => ({
  messages: contents.map((content) => ({ role: 'user', content })),
})

/** By name: the arguments that it needs, and what it says. */
const PROMPTS: Readonly<Record<string, [readonly string[], (given: Given) => Prompt]>> = {
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
  test_prompt_with_image: [[], () => said(image, text('Please analyze the image above.'))],
}

export function fixtureOffer(): McpOffer {
  const plain = { description: 'For the conformance suite', mimeType: 'text/plain' }
  return {
    instructions: 'For the conformance suite.',
    tools: Object.keys(TOOLS).map((name) => ({
      name,
      description: 'For the conformance suite',
      inputSchema: { type: 'object' },
    })),
    resources: [
      { uri: 'test://static-text', name: 'text', ...plain },
      { uri: 'test://static-binary', name: 'binary', ...plain, mimeType: 'image/png' },
      { uri: 'test://template/{id}/data', name: 'template', ...plain, mimeType: 'application/json' },
    ],
    prompts: Object.entries(PROMPTS).map(([name, [takes]]) => ({
      name,
      title: name,
      description: 'For the conformance suite',
      arguments: takes.map((each) => ({ name: each, description: 'For the suite', required: true })),
    })),
    async prompt(name, given) {
      const prompt = PROMPTS[name]
      if (prompt === undefined) throw new Refused('unknown', 'there is no such prompt')
      return prompt[1](given)
    },
    complete: () => Promise.resolve({ values: ['test'], total: 1, hasMore: false }),
    async call(name) {
      const tool = TOOLS[name]
      if (tool === undefined) throw new McpFault(-32602, `Unknown tool: ${name}`)
      return tool()
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
