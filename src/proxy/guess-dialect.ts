/** Whose error bodies an upstream's clients understand, when nobody says so. */
import type { Dialect } from './options.ts'

/** By the provider's own host, else by what the operator calls it. */
export function guessDialect(name: string, host: string): Dialect {
  for (const dialect of ['openai', 'anthropic'] as const) {
    if (host === `${dialect}.com` || host.endsWith(`.${dialect}.com`)) return dialect
  }
  if (host.endsWith('.openai.azure.com')) return 'openai'
  const words = name.split('-')
  if (words.includes('openai')) return 'openai'
  return words.includes('anthropic') || words.includes('claude') ? 'anthropic' : 'problem'
}
