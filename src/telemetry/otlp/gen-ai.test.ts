import { describe, expect, it } from 'vitest'
import { genAiOf, providerOf } from './gen-ai.ts'

describe('the provider', () => {
  it.each([
    ['api.openai.com', 'problem', 'openai'],
    ['eu.api.openai.com', 'openai', 'openai'],
    ['mine.openai.azure.com', 'openai', 'azure.ai.openai'],
    ['us-central1-aiplatform.googleapis.com', 'problem', 'gcp.vertex_ai'],
    ['bedrock-runtime.eu-west-1.amazonaws.com', 'anthropic', 'aws.bedrock'],
    ['api.groq.com', 'openai', 'groq'],
    ['127.0.0.1', 'anthropic', 'anthropic'],
    ['idp.internal', 'problem', ''],
    // Only the host itself, or what is below it.
    ['notapi.openai.com.evil.example', 'problem', ''],
    ['fakeapi.x.ai', 'problem', ''],
  ])('of %s with dialect %s is %s', (host, dialect, provider) => {
    expect(providerOf(host, dialect)).toBe(provider)
  })
})

describe('the operation', () => {
  it.each([
    ['/v1/chat/completions', 'chat', 'openai'],
    ['/openai/deployments/*/chat/completions', 'chat', 'openai'],
    ['/v1/responses', 'chat', 'openai'],
    ['/v1/completions', 'text_completion', 'openai'],
    ['/v1/embeddings', 'embeddings', 'openai'],
    ['/v1/messages', 'chat', 'anthropic'],
    ['/v1beta/models/*:generateContent', 'generate_content', 'gcp.gemini'],
    ['/v1beta/models/*:streamGenerateContent', 'generate_content', 'gcp.gemini'],
    ['/v1beta/models/*:batchEmbedContents', 'embeddings', 'gcp.gemini'],
    ['/model/*/converse-stream', 'chat', 'aws.bedrock'],
  ])('of %s is %s, and the API names the provider that nothing else names', (route, operation, provider) => {
    expect(genAiOf('POST', route, '')).toEqual({ operation, provider })
    expect(genAiOf('POST', route, 'groq')).toEqual({ operation, provider: 'groq' })
    expect(genAiOf('GET', route, 'groq')).toBeUndefined()
  })

  it.each(['/v1/threads/*/messages', '/v1/messages/count_tokens', '/v1/responses/*', '/v1/models', '/**'])(
    'of %s is not a call of a model',
    (route) => {
      expect(genAiOf('POST', route, 'openai')).toBeUndefined()
    },
  )
})
