/** What to give which SDK so that it calls through a coordinated fetch. Options objects: no SDK is needed here. */
import type { Fetch } from './fetch-input.ts'

/** `new OpenAI({ ...forOpenAI(fetch) })` */
export function forOpenAI(fetch: Fetch): { fetch: Fetch } {
  return { fetch }
}

/** `new Anthropic({ ...forAnthropic(fetch) })` */
export function forAnthropic(fetch: Fetch): { fetch: Fetch } {
  return { fetch }
}

/** `createOpenAI({ ...forVercelAI(fetch) })`, and so every provider of the AI SDK. */
export function forVercelAI(fetch: Fetch): { fetch: Fetch } {
  return { fetch }
}

/** `new ChatOpenAI({ model, ...forLangChainOpenAI(fetch) })` */
export function forLangChainOpenAI(fetch: Fetch): { configuration: { fetch: Fetch } } {
  return { configuration: { fetch } }
}

/** `new ChatAnthropic({ model, ...forLangChainAnthropic(fetch) })` */
export function forLangChainAnthropic(fetch: Fetch): { clientOptions: { fetch: Fetch } } {
  return { clientOptions: { fetch } }
}

/** `new StreamableHTTPClientTransport(url, { ...forMcp(fetch) })` */
export function forMcp(fetch: Fetch): { fetch: Fetch } {
  return { fetch }
}
