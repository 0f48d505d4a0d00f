/**
 * What a GenAI span says that can be known without a look at a payload: the provider, by host, dialect or API, and
 * the operation, by its well-known path. The model is in the body, hence never here.
 */

/** Hosts and everything below them. Values: `gen_ai.provider.name` of the GenAI conventions. */
const PROVIDER_HOSTS: readonly (readonly [host: string, provider: string])[] = [
  ['api.openai.com', 'openai'],
  ['openai.azure.com', 'azure.ai.openai'],
  ['services.ai.azure.com', 'azure.ai.inference'],
  ['inference.ai.azure.com', 'azure.ai.inference'],
  ['api.anthropic.com', 'anthropic'],
  ['generativelanguage.googleapis.com', 'gcp.gemini'],
  ['aiplatform.googleapis.com', 'gcp.vertex_ai'],
  ['api.cohere.com', 'cohere'],
  ['api.cohere.ai', 'cohere'],
  ['api.deepseek.com', 'deepseek'],
  ['api.groq.com', 'groq'],
  ['api.mistral.ai', 'mistral_ai'],
  ['api.perplexity.ai', 'perplexity'],
  ['api.x.ai', 'x_ai'],
  ['ml.cloud.ibm.com', 'ibm.watsonx.ai'],
]

interface Api {
  readonly path: RegExp
  readonly operation: 'chat' | 'text_completion' | 'embeddings' | 'generate_content'
  /** Whose API it is: the provider when neither host nor dialect name one. */
  readonly provider: string
}

/** The first that fits. Values: `gen_ai.operation.name`; OpenAI's Responses count as `chat` there. */
const APIS: readonly Api[] = [
  { path: /\/chat\/completions$/, operation: 'chat', provider: 'openai' },
  { path: /\/responses$/, operation: 'chat', provider: 'openai' },
  { path: /\/completions$/, operation: 'text_completion', provider: 'openai' },
  { path: /\/embeddings$/, operation: 'embeddings', provider: 'openai' },
  // Not `/v1/threads/*/messages` of OpenAI.
  { path: /\/v1\/messages$/, operation: 'chat', provider: 'anthropic' },
  { path: /:(?:streamG|g)enerateContent$/, operation: 'generate_content', provider: 'gcp.gemini' },
  { path: /:(?:embedContent|batchEmbedContents)$/, operation: 'embeddings', provider: 'gcp.gemini' },
  { path: /\/model\/[^/]+\/converse(?:-stream)?$/, operation: 'chat', provider: 'aws.bedrock' },
]

export interface GenAi {
  readonly operation: Api['operation']
  readonly provider: string
}

/** The provider by the operator's config alone; '' = not known. */
export function providerOf(host: string, dialect: string): string {
  for (const [known, provider] of PROVIDER_HOSTS) {
    // Regions stand before a dot, or before a dash: `us-central1-aiplatform.googleapis.com`.
    if (host === known || host.endsWith(`.${known}`) || host.endsWith(`-${known}`)) return provider
  }
  if (/^bedrock-runtime(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com$/.test(host)) return 'aws.bedrock'
  return dialect === 'openai' || dialect === 'anthropic' ? dialect : ''
}

/**
 * Undefined = no call of a model, as far as method and path tell.
 * @param route with ids folded; @param provider as `providerOf` says
 */
export function genAiOf(method: string, route: string, provider: string): GenAi | undefined {
  if (method !== 'POST') return undefined
  const api = APIS.find(({ path }) => path.test(route))
  return api === undefined ? undefined : { operation: api.operation, provider: provider || api.provider }
}
