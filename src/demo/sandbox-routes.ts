/** Which face of the sandbox a path shows, whatever base path stands before it. */
import { anthropicMessage } from './sandbox-anthropic.ts'
import { generateContent, streamGenerateContent } from './sandbox-gemini.ts'
import { chatCompletion, embeddings, models, response } from './sandbox-openai.ts'
import { echo, mcp, verify } from './sandbox-tools.ts'
import type { Answer, SandboxDialect, SandboxRequest } from './sandbox-answer.ts'

const geminiPath = /\/models\/([^/:]+):(generateContent|streamGenerateContent)$/

export function dialectOf(path: string): SandboxDialect {
  if (/\/(chat\/completions|responses|embeddings|models)$/.test(path)) return 'openai'
  if (path.endsWith('/messages')) return 'anthropic'
  return geminiPath.test(path) ? 'gemini' : 'plain'
}

export function answerTo(request: SandboxRequest): Answer {
  const { path } = request
  if (request.method === 'GET') return path.endsWith('/models') ? models() : echo(request)
  if (request.method !== 'POST') return echo(request)
  if (path.endsWith('/chat/completions')) return chatCompletion(request)
  if (path.endsWith('/responses')) return response(request)
  if (path.endsWith('/embeddings')) return embeddings(request)
  if (path.endsWith('/messages')) return anthropicMessage(request)
  if (path.endsWith('/verify')) return verify(request)
  if (path.endsWith('/mcp')) return mcp(request)
  const gemini = geminiPath.exec(path)
  if (gemini?.[2] === 'generateContent') return generateContent(request, gemini[1] ?? '')
  if (gemini?.[2] === 'streamGenerateContent') return streamGenerateContent(request, gemini[1] ?? '')
  return echo(request)
}
