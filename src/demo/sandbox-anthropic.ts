/** The Anthropic face of the sandbox: messages, whole and streamed. */
import { jsonAnswer, members, streamAnswer, textMember, tokensOf, wordsOf } from './sandbox-answer.ts'
import type { Answer, SandboxRequest } from './sandbox-answer.ts'

export function anthropicMessage(request: SandboxRequest): Answer {
  const asked = members(request.body)
  const words = wordsOf(request.digest)
  const usage = { input_tokens: tokensOf(request.body), output_tokens: words.length }
  const message = {
    id: `msg_${request.digest.slice(0, 24)}`,
    type: 'message',
    role: 'assistant',
    model: textMember(asked, 'model', 'sandbox-1'),
    content: [{ type: 'text', text: words.join('') }],
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage,
  }
  if (asked['stream'] !== true) return jsonAnswer(message)
  const begun = {
    ...message,
    content: [],
    stop_reason: null,
    usage: { input_tokens: usage.input_tokens, output_tokens: 1 },
  }
  return streamAnswer([
    event('message_start', { message: begun }),
    event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }),
    event('ping', {}),
    ...words.map((text) => event('content_block_delta', { index: 0, delta: { type: 'text_delta', text } })),
    event('content_block_stop', { index: 0 }),
    event('message_delta', {
      delta: { stop_reason: 'end_turn', stop_sequence: null },
      usage: { output_tokens: words.length },
    }),
    event('message_stop', {}),
  ])
}

function event(type: string, rest: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`
}
