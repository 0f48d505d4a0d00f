/** The OpenAI faces of the sandbox: chat completions, responses, embeddings, models. */
import { jsonAnswer, members, streamAnswer, textMember, tokensOf, wordsOf } from './sandbox-answer.ts'
import type { Answer, SandboxRequest } from './sandbox-answer.ts'

/** An event of the responses stream; its type is also the name of the event. */
interface NamedEvent {
  readonly type: string
  readonly [member: string]: unknown
}

/** A constant instant: answers to equal requests are equal. */
const created = 1_700_000_000

export function chatCompletion(request: SandboxRequest): Answer {
  const asked = members(request.body)
  const model = textMember(asked, 'model', 'sandbox-1')
  const words = wordsOf(request.digest)
  const id = `chatcmpl-${request.digest.slice(0, 24)}`
  const promptTokens = tokensOf(request.body)
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: words.length,
    total_tokens: promptTokens + words.length,
  }
  if (asked['stream'] === true) {
    const chunk = (delta: object, finish: string | null): string =>
      data({
        id,
        object: 'chat.completion.chunk',
        created,
        model,
        choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      })
    return streamAnswer([
      chunk({ role: 'assistant', content: '' }, null),
      ...words.map((content) => chunk({ content }, null)),
      chunk({}, 'stop'),
      ...(wantsUsage(asked)
        ? [data({ id, object: 'chat.completion.chunk', created, model, choices: [], usage })]
        : []),
      'data: [DONE]\n\n',
    ])
  }
  const message = { role: 'assistant', content: words.join(''), refusal: null }
  const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }]
  return jsonAnswer({ id, object: 'chat.completion', created, model, choices, usage })
}

export function response(request: SandboxRequest): Answer {
  const asked = members(request.body)
  const words = wordsOf(request.digest)
  const text = words.join('')
  const itemId = `msg_${request.digest.slice(24, 48)}`
  const item = (status: string, content: readonly object[]): object => ({
    id: itemId,
    type: 'message',
    role: 'assistant',
    status,
    content,
  })
  const inputTokens = tokensOf(request.body)
  const whole = (status: string, output: readonly object[]): object => ({
    id: `resp_${request.digest.slice(0, 24)}`,
    object: 'response',
    created_at: created,
    status,
    model: textMember(asked, 'model', 'sandbox-1'),
    output,
    error: null,
    incomplete_details: null,
    instructions: null,
    metadata: {},
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: 'auto',
    tools: [],
    top_p: 1,
    usage:
      status === 'completed'
        ? {
            input_tokens: inputTokens,
            input_tokens_details: { cached_tokens: 0 },
            output_tokens: words.length,
            output_tokens_details: { reasoning_tokens: 0 },
            total_tokens: inputTokens + words.length,
          }
        : null,
  })
  const completed = whole('completed', [item('completed', [textPart(text)])])
  if (asked['stream'] !== true) return jsonAnswer(completed)
  const place = { item_id: itemId, output_index: 0, content_index: 0 }
  const events: readonly NamedEvent[] = [
    { type: 'response.created', response: whole('in_progress', []) },
    { type: 'response.output_item.added', output_index: 0, item: item('in_progress', []) },
    { type: 'response.content_part.added', ...place, part: textPart('') },
    ...words.map((delta) => ({ type: 'response.output_text.delta', ...place, delta, logprobs: [] })),
    { type: 'response.output_text.done', ...place, text, logprobs: [] },
    { type: 'response.content_part.done', ...place, part: textPart(text) },
    { type: 'response.output_item.done', output_index: 0, item: item('completed', [textPart(text)]) },
    { type: 'response.completed', response: completed },
  ]
  return streamAnswer(events.map((event, at) => named({ ...event, sequence_number: at })))
}

export function embeddings(request: SandboxRequest): Answer {
  const asked = members(request.body)
  const input = asked['input']
  const inputs = Array.isArray(input) ? input.length : 1
  const vector = Float32Array.from({ length: 8 }, (_, at) => {
    return Number.parseInt(request.digest.slice(at * 2, at * 2 + 2), 16) / 256
  })
  const embedding =
    asked['encoding_format'] === 'base64' ? Buffer.from(vector.buffer).toString('base64') : [...vector]
  const tokens = tokensOf(request.body)
  return jsonAnswer({
    object: 'list',
    data: Array.from({ length: inputs }, (_, index) => ({ object: 'embedding', index, embedding })),
    model: textMember(asked, 'model', 'sandbox-embedding'),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
  })
}

export function models(): Answer {
  return jsonAnswer({ object: 'list', data: ['sandbox-1', 'sandbox-embedding'].map(modelRow) })
}

function textPart(text: string): object {
  return { type: 'output_text', text, annotations: [] }
}

function modelRow(id: string): object {
  return { id, object: 'model', created, owned_by: 'sandbox' }
}

function wantsUsage(asked: Readonly<Record<string, unknown>>): boolean {
  const options = asked['stream_options']
  return (
    typeof options === 'object' &&
    options !== null &&
    'include_usage' in options &&
    options.include_usage === true
  )
}

function data(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

function named(event: NamedEvent): string {
  return `event: ${event.type}\n${data(event)}`
}
