/** Calls that Weir signs for AWS, from clients that do not say the hash of their body, as botocore does. */
import { expect, test } from 'vitest'
import { sha256, signatureV4 } from '../../src/proxy/sigv4.ts'
import { HttpUpstream } from '../kit/http-upstream.ts'
import { kept } from '../kit/kept.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'

const AWS = {
  region: 'us-east-1',
  service: 'bedrock',
  accessKeyId: 'AKIDWEIR',
  secretAccessKey: 'secret',
  sessionToken: '',
}
const OF_THE_AGENT = {
  authorization: 'AWS4-HMAC-SHA256 Credential=AKIDAGENT/20260101/us-east-1/bedrock/aws4_request, Signature=0',
  'x-amz-date': '20260101T000000Z',
  'x-amz-security-token': 'of-the-agent',
}

async function start(): Promise<{ upstream: HttpUpstream; proxy: TestProxy }> {
  const upstream = kept(await HttpUpstream.start())
  const proxy = kept(
    await startProxy({ upstreams: { bedrock: { url: new URL('/base', upstream.url), aws: AWS } } }),
  )
  return { upstream, proxy }
}

async function post(
  proxy: TestProxy,
  body: NonNullable<RequestInit['body']>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${proxy.origin}/bedrock/model/m%3A0/invoke?a=1`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...OF_THE_AGENT, ...headers },
  })
}

test.each([0, 10, 65_536, 500_000])('a body of %i bytes is read, hashed and signed', async (size) => {
  const { upstream, proxy } = await start()
  const body = 'x'.repeat(size)
  expect((await post(proxy, body)).status).toBe(200)
  const [seen] = upstream.seen
  const date = String(seen?.headers['x-amz-date'])
  const expected = signatureV4(
    {
      method: 'POST',
      target: '/base/model/m%3A0/invoke?a=1',
      host: upstream.url.host,
      headers: ['content-type', 'application/json'],
      payloadHash: sha256(body),
    },
    AWS,
    Date.parse(date.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z')),
  )
  expect(seen?.headers.authorization).toBe(expected.at(-1))
  expect(seen?.headers['x-amz-security-token']).toBeUndefined()
  expect(seen?.body.length).toBe(size)
  expect(seen?.rawHeaders.filter((name) => name.toLowerCase() === 'authorization').length).toBe(1)
})

test('a hash that is said needs no reading: a body of any size streams', async () => {
  const { upstream, proxy } = await start()
  const body = 'x'.repeat(3_000_000)
  expect((await post(proxy, body, { 'x-amz-content-sha256': sha256(body) })).status).toBe(200)
  expect(upstream.seen[0]?.headers['x-amz-content-sha256']).toBe(sha256(body))
  expect(upstream.seen[0]?.body.length).toBe(3_000_000)
})

test('a larger body without its hash is 413, with the reason', async () => {
  const { upstream, proxy } = await start()
  const response = await post(proxy, 'x'.repeat(1_100_000))
  expect(response.status).toBe(413)
  expect(response.headers.get('weir-problem')).toBe('too_large_to_sign')
  expect(upstream.seen).toEqual([])
  expect(proxy.core.open).toBe(0)
})

test('a stream whose pieces are signed one after the other is refused, since nobody can sign it anew', async () => {
  const { upstream, proxy } = await start()
  const response = await post(proxy, 'x', { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-EVENTS' })
  expect(response.status).toBe(400)
  expect(response.headers.get('weir-problem')).toBe('signed_stream')
  expect(upstream.seen).toEqual([])
})

test('a call without any credential is signed, and one with a bearer key is not', async () => {
  const { upstream, proxy } = await start()
  await fetch(`${proxy.origin}/bedrock/foundation-models`)
  expect(upstream.seen[0]?.headers.authorization).toContain('Credential=AKIDWEIR/')
  expect(upstream.seen[0]?.headers['x-amz-content-sha256']).toBe(sha256(''))
  await post(proxy, 'x', { authorization: 'Bearer key' })
  expect(upstream.seen[1]?.headers.authorization).toBe('Bearer key')
})

test('without `aws` a signed call to AWS is refused before it is sent, and others pass as they are', async () => {
  const upstream = kept(await HttpUpstream.start())
  const aws = new URL('https://bedrock-runtime.us-east-1.amazonaws.com')
  const proxy = kept(await startProxy({ upstreams: { bedrock: { url: aws }, local: upstream.url } }))
  const refused = await post(proxy, 'x')
  expect(refused.status).toBe(400)
  expect(refused.headers.get('weir-problem')).toBe('signature_broken')
  expect(await refused.text()).toContain('AWS_BEARER_TOKEN_BEDROCK')
  expect((await fetch(`${proxy.origin}/local/x`, { headers: OF_THE_AGENT })).status).toBe(200)
  expect(upstream.seen[0]?.headers.authorization).toBe(OF_THE_AGENT.authorization)
  expect(proxy.core.open).toBe(0)
})
