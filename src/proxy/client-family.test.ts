import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { familyOf } from '../core/families.ts'
import { createFamilyReader, type ClientMarks } from './client-family.ts'

const read = createFamilyReader()
const marks = (facts: Partial<ClientMarks>): ClientMarks => ({
  userAgent: '',
  sdkLang: '',
  sdkVersion: '',
  isMcp: false,
  isAnthropic: false,
  hasBrowserAccess: false,
  isFetch: false,
  ...facts,
})

describe('client families', () => {
  it.each([
    ['OpenAI/JS 7.55.0', 'openai-js'],
    ['OpenAI/JS 7.20.0', 'openai-js'],
    ['OpenAI/JS 7.19.9', 'openai-js-6'],
    ['OpenAI/JS 7.0.0', 'openai-js-6'],
    ['OpenAI/JS 6.49.0', 'openai-js-6'],
    ['OpenAI/JS 6.10.0', 'openai-js-4'],
    ['OpenAI/JS 4.104.0', 'openai-js-4'],
    ['OpenAI/JS', 'openai-js-4'],
    ['AzureOpenAI/JS 7.55.0', 'openai-js'],
    ['OpenAI/Python 2.46.0', 'openai-py-2'],
    ['AsyncOpenAI/Python 3.3.1', 'openai-py'],
    ['AsyncAzureOpenAI/Python 2.52.0', 'openai-py'],
    ['Anthropic/JS 1.11.0', 'anthropic-js'],
    ['Anthropic/JS 0.71.0', 'anthropic-js-0'],
    ['AnthropicBedrock/JS 1.0.0', 'anthropic-js'],
    ['AsyncAnthropic/Python 0.121.0', 'anthropic-py'],
    ['OpenAI/Go 2.1.0', 'go'],
    ['Anthropic/Java 2.1.0', 'java'],
    ['OpenAI/Ruby 0.1.0', 'other'],
    ['ai/7.0.173 ai-sdk-provider-utils/5.0.81 node.js/24', 'ai-sdk'],
    ['ai-sdk-openai/4.0.118 ai-sdk-provider-utils/5.0.81', 'ai-sdk'],
    ['langchainjs-openai/1.0.0 ((node/24.21.0; linux; x64))', 'langchain-js'],
    ['google-genai-sdk/3.1.0 gl-node/v24.21.0', 'genai-js'],
    ['google-genai-sdk/1.2.0 gl-python/3.13', 'other'],
    ['aws-sdk-js/3.1162.0 ua/2.1', 'aws-js'],
    ['Boto3/1.43.11 md/Botocore#1.43.11', 'botocore'],
    ['got (https://github.com/sindresorhus/got)', 'got'],
    ['axios/1.21.1', 'axios'],
    ['node', 'node-fetch'],
    ['undici', 'node-fetch'],
    ['', 'undici'],
    ['python-requests/2.32.0', 'python-requests'],
    ['python-httpx/0.23.3', 'httpx'],
    ['Python/3.11 aiohttp/3.8.4', 'aiohttp'],
    ['Go-http-client/1.1', 'go'],
    ['Java-http-client/17', 'java'],
    ['curl/8.5.0', 'curl'],
    ['claude-cli/2.1.139 (external, cli)', 'claude-code'],
    ['codex_cli_rs/0.60.0 (Linux)', 'codex'],
    ['my-agent/1.0', 'other'],
  ])('takes %j for %s', (userAgent, family) => {
    expect(read(marks({ userAgent }))).toBe(family)
  })

  it('takes the version of the SDK below when the user agent is that of a layer above', () => {
    const above = { userAgent: 'Agents/JavaScript 0.20.0', sdkLang: 'js' }
    expect(read(marks({ ...above, sdkVersion: '7.55.0' }))).toBe('openai-js')
    expect(read(marks({ ...above, sdkVersion: '6.49.0' }))).toBe('openai-js-6')
  })

  it('knows an SDK by its own headers under a user agent of the application', () => {
    const sdk = { userAgent: 'my-agent/1.0', sdkVersion: '1.11.0' }
    expect(read(marks({ ...sdk, sdkLang: 'js', isAnthropic: true }))).toBe('anthropic-js')
    expect(read(marks({ ...sdk, sdkLang: 'python' }))).toBe('openai-py-2')
  })

  it('tells LangChain around the Anthropic SDK by the browser flag', () => {
    expect(read(marks({ userAgent: 'Anthropic/JS 0.122.0', hasBrowserAccess: true }))).toBe('langchain-js')
  })

  it('tells fetch from undici by what fetch adds', () => {
    expect(read(marks({ isFetch: true }))).toBe('node-fetch')
    expect(read(marks({ isFetch: true, userAgent: 'my-agent/1.0' }))).toBe('node-fetch')
  })

  it('takes any client that speaks MCP for an MCP client, but not a harness', () => {
    expect(read(marks({ userAgent: 'node', isMcp: true }))).toBe('mcp')
    expect(read(marks({ userAgent: 'python-httpx/0.28', isMcp: true }))).toBe('mcp')
    expect(read(marks({ userAgent: 'claude-cli/2.1', isMcp: true }))).toBe('claude-code')
  })

  it('names a family of the table whatever is sent', () => {
    const word = fc.oneof(
      fc.string(),
      fc.constantFrom('OpenAI/', 'JS ', '7.', 'Anthropic', 'Python', '/', '__proto__'),
    )
    const text = fc.array(word, { maxLength: 6 }).map((words) => words.join(''))
    fc.assert(
      fc.property(text, text, text, fc.boolean(), (userAgent, sdkLang, sdkVersion, isAnthropic) => {
        const name = read(marks({ userAgent, sdkLang, sdkVersion, isAnthropic }))
        expect(familyOf(name).name).toBe(name)
      }),
      { numRuns: 1000 },
    )
  })
})
