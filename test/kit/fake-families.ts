/** Families with one trait each, so that a test of a rule does not move when the real table learns something. */
import type { Family } from '../../src/core/families.ts'

function family(name: string, traits: Partial<Family>): Family {
  return {
    name,
    attempts: 3,
    backoff: () => [0, 0],
    adviceCeilingMs: 59_000,
    advice: 'ms',
    obeysShouldRetry: true,
    silenceMs: 300_000,
    redirects: 20,
    ...traits,
  }
}

const TABLE: Readonly<Record<string, Family>> = {
  'openai-js': family('openai-js', { bearsProcessing: true }),
  'anthropic-js': family('anthropic-js', { adviceCeilingMs: Infinity }),
  'openai-py': family('openai-py', { adviceCeilingMs: 60_000 }),
  'langchain-js': family('langchain-js', {}),
  'aws-js': family('aws-js', { adviceCeilingMs: 5000, redirects: 0 }),
  'genai-js': family('genai-js', { attempts: 1, adviceCeilingMs: 0, advice: 'none' }),
  axios: family('axios', { attempts: 1, adviceCeilingMs: 0, advice: 'none', redirects: 2 }),
  httpx: family('httpx', { attempts: 1, adviceCeilingMs: 0, advice: 'none', silenceMs: 5000, redirects: 0 }),
  requests: family('requests', { attempts: 1, adviceCeilingMs: 0, advice: 'none', redirects: 0 }),
}

export function familyOf(name: string): Family {
  return TABLE[name] ?? family('unknown', { redirects: 0 })
}
