import { expect, test } from 'vitest'
import { requestHeaders, responseHeaders, responseTrailers } from './headers.ts'
import { strippedNames } from './known-headers.ts'

const PLAIN = {
  dropLength: false,
  wantsTrailers: false,
  viaName: 'weir-1',
  stripped: strippedNames('x-agent-id'),
}

test('the configured header that names the agent ends at Weir, and so does its underscore twin', () => {
  expect(requestHeaders(['X-Agent-Id', 'a', 'x_agent_id', 'b', 'X-Agent', 'c'], PLAIN)).toEqual([
    'X-Agent',
    'c',
    'via',
    '1.1 weir-1',
  ])
})

test('a request keeps its own fields, in their order and case', () => {
  const raw = ['Host', 'a', 'X-B', '1', 'x-b', '2', 'Content-Length', '3', 'Cookie', 'c']
  expect(requestHeaders(raw, PLAIN)).toEqual([
    'X-B',
    '1',
    'x-b',
    '2',
    'Content-Length',
    '3',
    'Cookie',
    'c',
    'via',
    '1.1 weir-1',
  ])
})

test('a length that the HTTP client says itself is left to it', () => {
  expect(requestHeaders(['Content-Length', '3'], { ...PLAIN, dropLength: true })).toEqual([
    'via',
    '1.1 weir-1',
  ])
})

test('all that Connection names goes, over several lines and wherever they stand', () => {
  const raw = [
    'X-One',
    '1',
    'Connection',
    'x-one',
    'X-Two',
    '2',
    'connection',
    'close,  X-TWO ,',
    'X-Three',
    '3',
  ]
  expect(requestHeaders(raw, PLAIN)).toEqual(['X-Three', '3', 'via', '1.1 weir-1'])
  expect(
    responseHeaders([...raw, 'Content-Length', '1', 'Connection', 'content-length'], false).headers,
  ).toEqual(['X-Three', '3', 'Content-Length', '1'])
})

test('TE is said again only for trailers that the client can take', () => {
  expect(requestHeaders(['TE', 'gzip;q=1'], PLAIN)).toEqual(['via', '1.1 weir-1'])
  expect(requestHeaders(['TE', 'trailers'], { ...PLAIN, wantsTrailers: true })).toEqual([
    'te',
    'trailers',
    'via',
    '1.1 weir-1',
  ])
})

test('a response says its length, whether it is an event stream, and whether it speaks of limits', () => {
  const raw = ['Content-Type', 'text/event-stream; charset=utf-8', 'Content-Length', '7', 'Retry-After', '1']
  expect(
    responseHeaders(
      raw.map((text) => Buffer.from(text)),
      false,
    ),
  ).toMatchObject({
    headers: raw,
    contentLength: 7,
    isEventStream: true,
    hasHints: true,
  })
  expect(responseHeaders(['content-type', 'text/event-streams'], false)).toMatchObject({
    contentLength: -1,
    isEventStream: false,
    hasHints: false,
  })
})

test('trailers are announced only where they can follow', () => {
  expect(responseHeaders(['trailer', 'x-sum'], true).headers).toEqual(['trailer', 'x-sum'])
  expect(responseHeaders(['trailer', 'x-sum'], false).headers).toEqual([])
  expect(responseHeaders(['trailer', 'x-sum', 'content-length', '2'], true).headers).toEqual([
    'content-length',
    '2',
  ])
})

test('no trailer frames, routes, authenticates or names Weir', () => {
  const bad = [
    'content-length',
    'Transfer-Encoding',
    'connection',
    'Set-Cookie',
    'authorization',
    'weir-verdict',
  ]
  const raw = [...bad.flatMap((name) => [name, 'x']), 'grpc-status', '0', 'X-Sum', '1']
  expect(responseTrailers(raw)).toEqual([
    ['grpc-status', '0'],
    ['X-Sum', '1'],
  ])
})
