/** What is asked of every target, and how the same is asked of targets that want it said differently. */
import { request as httpRequest } from 'node:http'
import type { Target } from '../targets/target.ts'

export interface Shape {
  readonly name: string
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body: Buffer | undefined
  readonly connections: number
}

export const SHAPES: readonly Shape[] = [
  { name: 'get', method: 'GET', path: '/v1/models', body: undefined, connections: 64 },
  chat('post2k', 2048, 64),
  chat('post512k', 524_288, 8),
  { name: 'sse', method: 'GET', path: '/sse', body: undefined, connections: 16 },
]

/** A chat completion of so many bytes: gateways that read bodies must be able to. */
function chat(name: string, bytes: number, connections: number): Shape {
  const empty = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: '' }] })
  const text = 'a'.repeat(bytes - empty.length)
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: text }] })
  return { name, method: 'POST', path: '/v1/chat/completions', body: Buffer.from(body), connections }
}

/** The same for all: a credential, since that is what the calls of agents carry. */
export function headersFor(shape: Shape, target: Pick<Target, 'headers'>): Record<string, string> {
  const headers: Record<string, string> = { authorization: `Bearer sk-proj-${'a1B2'.repeat(36)}` }
  if (shape.body !== undefined) headers['content-type'] = 'application/json'
  return { ...headers, ...target.headers }
}

/** Every target must give the upstream's answer before any of them is timed. @throws naming who does not */
export async function proveCorrect(
  direct: number,
  targets: readonly Target[],
  shapes: readonly Shape[],
): Promise<void> {
  for (const shape of shapes) {
    const expected = await ask(shape, { port: direct, prefix: '', headers: {} })
    for (const target of targets) {
      if (!serves(target, shape)) continue
      const got = await ask(shape, target)
      if (got !== expected) {
        const start = got.slice(0, 200)
        throw new Error(`${target.name} does not answer ${shape.name} like the upstream: ${start}`)
      }
    }
  }
}

/** Whether a target takes part in a shape at all. */
export function serves(target: Target, shape: Shape): boolean {
  return target.shapes === undefined || target.shapes.includes(shape.name)
}

/** Status and body of one answer. */
function ask(shape: Shape, target: Pick<Target, 'port' | 'prefix' | 'headers'>): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: target.port,
      path: target.prefix + shape.path,
      method: shape.method,
      headers: headersFor(shape, target),
    }
    const request = httpRequest(options, (response) => {
      let text = `${response.statusCode} `
      response.setEncoding('latin1')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(shape.body)
  })
}
