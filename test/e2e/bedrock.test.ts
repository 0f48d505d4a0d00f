/** Amazon Bedrock through Weir, with the client of the AWS SDK: HTTP/2 without TLS, signed anew or with a bearer key. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Sha256 } from '@aws-crypto/sha256-js'
import {
  BedrockRuntimeClient,
  ConverseCommand,
  ConverseStreamCommand,
  type BedrockRuntimeClientConfig,
} from '@aws-sdk/client-bedrock-runtime'
import { EventStreamCodec } from '@smithy/core/event-streams'
import { fromUtf8, toUtf8 } from '@smithy/util-utf8'
import { SignatureV4 } from '@smithy/signature-v4'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { signatureV4 } from '../../src/proxy/sigv4.ts'
import { startWorld } from './kit.ts'
import type { World } from './kit.ts'

const KEYS = { accessKeyId: 'AKIDWEIR', secretAccessKey: 'weirs-own-secret', sessionToken: 'weirs-token' }
const MODEL = 'anthropic.claude-sonnet-4-5-20250929-v1:0'
const codec = new EventStreamCodec(toUtf8, fromUtf8)

interface Seen {
  readonly request: IncomingMessage
  readonly body: Buffer
}

let upstream: Server
let seen: Seen[]
let world: World

/** Answers like Bedrock; believes every caller, so that a test checks what it was shown. */
beforeEach(async () => {
  seen = []
  upstream = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      seen.push({ request, body: Buffer.concat(chunks) })
      if (request.url?.endsWith('/converse-stream') === true) {
        response.writeHead(200, { 'content-type': 'application/vnd.amazon.eventstream' })
        for (const text of ['hel', 'lo'])
          response.write(event('contentBlockDelta', { delta: { text }, contentBlockIndex: 0 }))
        response.end(event('messageStop', { stopReason: 'end_turn' }))
        return
      }
      response.writeHead(200, { 'content-type': 'application/json' })
      const message = { role: 'assistant', content: [{ text: 'hello' }] }
      const usage = { inputTokens: 1, outputTokens: 1, totalTokens: 2 }
      response.end(
        JSON.stringify({ output: { message }, stopReason: 'end_turn', usage, metrics: { latencyMs: 1 } }),
      )
    })
  })
  await new Promise<void>((resolve) => {
    upstream.listen(0, '127.0.0.1', resolve)
  })
})
afterEach(async () => {
  await world.close()
  upstream.closeAllConnections()
  await new Promise((resolve) => upstream.close(resolve))
})

function event(type: string, body: object): Uint8Array {
  return codec.encode({
    headers: {
      ':message-type': { type: 'string', value: 'event' },
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: 'application/json' },
    },
    body: fromUtf8(JSON.stringify(body)),
  })
}

async function start(aws: boolean): Promise<void> {
  const url = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  const keys = Object.entries(KEYS).map(([name, value]) => `${name}: ${value}`)
  const signing = aws ? `, aws: { region: us-east-1, ${keys.join(', ')} }` : ''
  world = await startWorld({
    upstream: 'bedrock',
    upstreamUrl: url,
    config: `upstreams:\n  bedrock: { url: '${url}'${signing} }\n`,
  })
}

function client(config: BedrockRuntimeClientConfig = {}): BedrockRuntimeClient {
  return new BedrockRuntimeClient({
    endpoint: world.base('kyc.run-1'),
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIDAGENT', secretAccessKey: 'of-the-agent' },
    ...config,
  })
}

const ask = { modelId: MODEL, messages: [{ role: 'user' as const, content: [{ text: 'hi' }] }] }

/** What the library of the SDK makes of the request that arrived. */
async function expected({ request, body }: Seen): Promise<string> {
  const date = String(request.headers['x-amz-date'])
  const signer = new SignatureV4({
    service: 'bedrock',
    region: 'us-east-1',
    sha256: Sha256,
    credentials: KEYS,
  })
  const covered = /SignedHeaders=([^,]+)/.exec(String(request.headers.authorization))![1]!.split(';')
  const headers = Object.fromEntries(covered.map((name) => [name, String(request.headers[name])]))
  delete headers['x-amz-date']
  delete headers['x-amz-security-token']
  const at = new Date(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  const [path = ''] = (request.url ?? '').split('?')
  const signed = await signer.sign(
    {
      method: String(request.method),
      protocol: 'http:',
      hostname: '127.0.0.1',
      path,
      headers,
      query: {},
      body,
    },
    { signingDate: at },
  )
  return String(signed.headers['authorization'])
}

describe('the client of Bedrock', () => {
  it('speaks HTTP/2 to Weir, and is signed anew so that the upstream accepts it', async () => {
    await start(true)
    const bedrock = client()
    const answer = await bedrock.send(new ConverseCommand(ask))
    expect(answer.output?.message?.content?.[0]?.text).toBe('hello')
    expect(world.app.proxy.stats.http2Sessions).toBe(1)
    const [first] = seen
    const { headers, url } = first!.request
    expect(url).toBe(`/model/${encodeURIComponent(MODEL)}/converse`)
    expect(headers['x-amz-security-token']).toBe(KEYS.sessionToken)
    expect(headers['x-amz-content-sha256']).toBe(createHash('sha256').update(first!.body).digest('hex'))
    expect(headers.authorization).toContain('Credential=AKIDWEIR/')
    expect(headers.authorization).toBe(await expected(first!))
    bedrock.destroy()
    expect(world.seen[0]).toMatchObject({ agent: 'kyc', workflow: 'run-1', outcome: 'passed' })
  })

  it('streams its answer', async () => {
    await start(true)
    const bedrock = client()
    const { stream } = await bedrock.send(new ConverseStreamCommand(ask))
    let text = ''
    for await (const piece of stream ?? []) text += piece.contentBlockDelta?.delta?.text ?? ''
    expect(text).toBe('hello')
    expect(seen[0]?.request.headers.authorization).toBe(await expected(seen[0]!))
    bedrock.destroy()
  })

  it('may ask many things at once', async () => {
    await start(true)
    const bedrock = client()
    const answers = await Promise.all(
      Array.from({ length: 40 }, () => bedrock.send(new ConverseCommand(ask))),
    )
    expect(answers.every(({ stopReason }) => stopReason === 'end_turn')).toBe(true)
    expect(new Set(seen.map(({ request }) => request.headers['amz-sdk-invocation-id'])).size).toBe(40)
    expect(world.app.core.read(performance.now()).open).toBe(0)
    bedrock.destroy()
  })

  it('with a bearer key goes through untouched, signing or not', async () => {
    for (const aws of [false, true]) {
      await start(aws)
      const bedrock = client({
        token: { token: 'bedrock-api-key' },
        authSchemePreference: ['httpBearerAuth'],
      })
      await bedrock.send(new ConverseCommand(ask))
      expect(seen.at(-1)?.request.headers.authorization).toBe('Bearer bedrock-api-key')
      bedrock.destroy()
      if (!aws) await world.close()
    }
  })

  it('hears at once why a call that it signed for Weir cannot go to AWS', async () => {
    world = await startWorld({
      upstream: 'bedrock',
      upstreamUrl: 'https://bedrock-runtime.us-east-1.amazonaws.com',
    })
    const bedrock = client({ maxAttempts: 1 })
    const error = await bedrock.send(new ConverseCommand(ask)).catch((caught: unknown) => caught)
    const { $metadata, $response } = error as {
      $metadata: object
      $response: { headers: Record<string, string> }
    }
    expect($metadata).toMatchObject({ httpStatusCode: 400 })
    expect($response.headers['weir-problem']).toBe('signature_broken')
    bedrock.destroy()
  })
})

it("signs as the SDK's own library does, whatever the path and the query", async () => {
  await start(false)
  const signer = new SignatureV4({
    service: 'bedrock',
    region: 'eu-west-1',
    sha256: Sha256,
    credentials: KEYS,
  })
  const at = new Date('2026-11-21T10:11:12Z')
  for (const [path, query] of [
    ['/', {}],
    ['/model/a%3Ab/invoke', {}],
    ["/a b/(x)!*'/~", {}],
    ['/%2F/ü', {}],
    ['/list', { maxResults: '5', nextToken: 'a/b+c==', 'a b': 'ü' }],
  ] as const) {
    const body = JSON.stringify({ path })
    const payloadHash = createHash('sha256').update(body).digest('hex')
    const headers = { host: 'h.test', 'content-type': 'application/json', 'x-amz-target': '  a   b ' }
    const theirs = await signer.sign(
      {
        method: 'POST',
        protocol: 'https:',
        hostname: 'h.test',
        path,
        query: { ...query },
        headers: { ...headers, 'x-amz-content-sha256': payloadHash },
        body,
      },
      { signingDate: at },
    )
    const search = new URLSearchParams(query).toString().replaceAll('+', '%20')
    const ours = signatureV4(
      {
        method: 'POST',
        target: search === '' ? path : `${path}?${search}`,
        host: 'h.test',
        headers: ['content-type', 'application/json', 'x-amz-target', '  a   b '],
        payloadHash,
      },
      { region: 'eu-west-1', service: 'bedrock', ...KEYS },
      at.getTime(),
    )
    expect(ours.at(-1)).toBe(theirs.headers['authorization'])
  }
})
