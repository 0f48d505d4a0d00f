/** The Gemini face of the sandbox: generateContent, and streamGenerateContent with and without `alt=sse`. */
import { jsonAnswer, streamAnswer, tokensOf, wordsOf } from './sandbox-answer.ts'
import type { Answer, SandboxRequest } from './sandbox-answer.ts'

export function generateContent(request: SandboxRequest, model: string): Answer {
  return jsonAnswer(candidate(request, model, wordsOf(request.digest).join(''), true))
}

export function streamGenerateContent(request: SandboxRequest, model: string): Answer {
  const words = wordsOf(request.digest)
  const chunks = words.map((word, at) => candidate(request, model, word, at === words.length - 1))
  if (request.query.get('alt') !== 'sse') return jsonAnswer(chunks)
  return streamAnswer(chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`))
}

function candidate(request: SandboxRequest, model: string, text: string, last: boolean): object {
  const promptTokenCount = tokensOf(request.body)
  return {
    candidates: [
      { content: { parts: [{ text }], role: 'model' }, index: 0, ...(last ? { finishReason: 'STOP' } : {}) },
    ],
    usageMetadata: { promptTokenCount, candidatesTokenCount: 12, totalTokenCount: promptTokenCount + 12 },
    modelVersion: model,
    responseId: request.digest.slice(0, 22),
  }
}
