/** MCP as bytes: one message of a client to the face, and what comes back, be it one answer or a stream. */

// oxlint-disable-next-line typescript/no-explicit-any -- whatever is said
export type Message = any

/** The messages of a stream, or the one that is the answer. */
export async function* messagesOf(response: Response): AsyncGenerator<Message> {
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) {
    const text = await response.text()
    if (text !== '') yield JSON.parse(text)
    return
  }
  let rest = ''
  for await (const part of response.body!.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + part).split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) {
      const data = /^data: (.*)$/m.exec(block)?.[1]
      if (data !== undefined) yield JSON.parse(data)
    }
  }
}

/** The next message; undefined = there are no more. */
export async function next(messages: AsyncGenerator<Message>): Promise<Message> {
  const { value, done } = await messages.next()
  return done === true ? undefined : value
}

/** The last message: what the stream ended with. */
export async function last(response: Response): Promise<Message> {
  let found: Message
  for await (const message of messagesOf(response)) found = message
  return found
}

export function accepted(content: object): object {
  return { action: 'accept', content }
}
