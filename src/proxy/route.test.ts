import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isIdentifier } from './identifier.ts'
import { normalPath } from './request-target.ts'
import { createRouter, type Routed } from './route.ts'

const UPSTREAMS = [
  { name: 'openai', basePath: '' },
  { name: 'vertex', basePath: '/v1/projects/p' },
  { name: 'slash', basePath: '/base/' },
]
const route = createRouter(UPSTREAMS, { urlBytes: 8192 })
const get = (target: string): Routed => route('GET', target)

describe('routes', () => {
  it.each([
    ['/openai/v1/chat/completions', 0, '/v1/chat/completions', '/v1/chat/completions'],
    ['/openai/v1/models?limit=2&after=a%20b', 0, '/v1/models?limit=2&after=a%20b', '/v1/models'],
    ['/openai', 0, '/', '/'],
    ['/openai/', 0, '/', '/'],
    ['/openai?x=1', 0, '/?x=1', '/'],
    ['/openai/x?', 0, '/x?', '/x'],
    [
      '/vertex/models/m:generateContent',
      1,
      '/v1/projects/p/models/m:generateContent',
      '/models/m:generateContent',
    ],
    ['/vertex', 1, '/v1/projects/p', '/'],
    ['/vertex/', 1, '/v1/projects/p/', '/'],
    ['/slash/x', 2, '/base/x', '/x'],
    ['/openai/a%2Fb', 0, '/a%2Fb', '/a%2Fb'],
    ['/openai/a%2fb', 0, '/a%2fb', '/a%2Fb'],
    ['/openai/%76%31/x', 0, '/%76%31/x', '/v1/x'],
    ['/openai/100%25', 0, '/100%25', '/100%25'],
    ['/openai/%252e%252e/x', 0, '/%252e%252e/x', '/%252e%252e/x'],
    ['/openai/...', 0, '/...', '/...'],
    ['/openai/.well-known/x', 0, '/.well-known/x', '/.well-known/x'],
    ['/%6Fpenai/x', 0, '/x', '/x'],
  ])('sends %s to upstream %i as %s', (target, upstream, sent, path) => {
    expect(get(target)).toMatchObject({
      ok: true,
      own: false,
      upstream,
      target: sent,
      path,
      agent: '',
      ticket: '',
    })
  })

  it.each([
    ['/@kyc/openai/v1/x', 'kyc', '', '/v1/x'],
    ['/@kyc.run-7/openai/v1/x', 'kyc', 'run-7', '/v1/x'],
    ['/@kyc.run.7:a/openai/v1/x', 'kyc', 'run.7:a', '/v1/x'],
    ['/%40kyc.run-7/openai/v1/x', 'kyc', 'run-7', '/v1/x'],
    ['/@k%79c/openai/v1/x', 'kyc', '', '/v1/x'],
    ['/@.run/openai/x', '', 'run', '/x'],
    ['/@/openai/x', '', '', '/x'],
    ['/@a%20b/openai/x', '', '', '/x'],
    [`/@${'a'.repeat(129)}/openai/x`, '', '', '/x'],
  ])('reads the identity in %s', (target, agent, workflow, sent) => {
    expect(get(target)).toMatchObject({ ok: true, agent, workflow, target: sent })
  })

  it.each([
    ['/weir/v1/calls/7?x=1', '/weir/v1/calls/7', '/weir/v1/calls/7?x=1', ''],
    ['/@kyc/weir/v1/mcp', '/weir/v1/mcp', '/weir/v1/mcp', 'kyc'],
    ['/weir', '/weir', '/weir', ''],
  ])('keeps %s for Weir itself', (target, path, own, agent) => {
    expect(get(target)).toMatchObject({ ok: true, own: true, path, target: own, agent })
  })

  it.each([
    '//evil.example/x',
    '/openai//v1',
    '/openai/../admin',
    '/openai/..',
    '/openai/./x',
    '/openai/.',
    '/../openai/x',
    '/openai/%2e%2e/x',
    '/openai/.%2E/x',
    '/openai/%2e/x',
    '/openai/x%2f..%2fy',
    '/openai/..%2Fx',
    '/openai\\x',
    '/openai/x%5cy',
    '/openai/x#frag',
    '/openai/x?a#frag',
    '/openai/x%00',
    '/openai/x%',
    '/openai/x%4',
    '/openai/x%zz',
    '/openai/x y',
    '/openai/x\ty',
    '/openai/x?a\rb',
    '/openai/\u00e9',
    '/openai/x?\u00ff',
    '',
    '*',
    'openai/x',
    'http://169.254.169.254/latest',
    'http://127.0.0.1:8080/openai/x',
    'evil.example:443',
  ])('refuses %j with 400', (target) => {
    expect(get(target)).toMatchObject({ ok: false, status: 400 })
  })

  it.each([
    '/',
    '/nope/x',
    '/OPENAI/x',
    '/openai%2Fx',
    '/@kyc',
    '/@kyc/',
    '/@kyc/nope/x',
    '/@a/@b/openai/x',
    '/weirdo/x',
  ])('knows nothing at %s and does not tell what it knows', (target) => {
    expect(get(target)).toEqual({ ok: false, status: 404, reason: 'unknown upstream' })
  })

  it.each(['CONNECT', 'TRACE'])('does not serve %s', (method) => {
    expect(route(method, '/openai/x')).toMatchObject({ ok: false, status: 405 })
    expect(route('GET', '/openai/x')).toMatchObject({ ok: true })
    expect(route(method, '/openai/x')).toMatchObject({ ok: false, status: 405 })
  })

  it('refuses a target over the limit with 414 and takes one at the limit', () => {
    const short = createRouter(UPSTREAMS, { urlBytes: 20 })
    expect(short('GET', `/openai/${'x'.repeat(12)}`)).toMatchObject({ ok: true })
    expect(short('GET', `/openai/${'x'.repeat(13)}`)).toMatchObject({ ok: false, status: 414 })
  })

  it('takes absolute-form only for names of its own', () => {
    const own = createRouter(UPSTREAMS, { urlBytes: 8192 }, new Set(['weir.local:8080']))
    expect(own('GET', 'http://WEIR.local:8080/openai/x?a=1')).toMatchObject({ ok: true, target: '/x?a=1' })
    for (const authority of [
      'weir.local',
      'weir.local:8080@evil.example',
      'evil.example',
      '',
      'weir.local:8080?',
    ]) {
      expect(own('GET', `http://${authority}/openai/x`)).toMatchObject({ ok: false, status: 400 })
    }
    expect(own('GET', 'http://weir.local:8080')).toMatchObject({ ok: false, status: 404 })
    expect(own('GET', 'ftp://weir.local:8080/openai/x')).toMatchObject({ ok: false, status: 400 })
  })

  it.each([
    ['/openai/x?__weir=t', 't', '/x'],
    ['/openai/x?a=1&__weir=t', 't', '/x?a=1'],
    ['/openai/x?__weir=t&a=1', 't', '/x?a=1'],
    ['/openai/x?a=1&__weir=t&b=%20&__weir=u', 't', '/x?a=1&b=%20'],
    ['/openai/x?a__weir=t', '', '/x?a__weir=t'],
    ['/openai/__weir=t', '', '/__weir=t'],
  ])('takes the ticket out of %s', (target, ticket, sent) => {
    expect(get(target)).toMatchObject({ ok: true, ticket, target: sent })
  })

  it('does not remember a ticket for the next call of the same path', () => {
    expect(get('/openai/y?__weir=t')).toMatchObject({ ticket: 't' })
    expect(get('/openai/y')).toMatchObject({ ticket: '' })
  })

  it('folds ids into few templates', () => {
    expect(get('/openai/v1/threads/thread_9fK2mN8qLpX3vB7t/runs')).toMatchObject({
      template: '/v1/threads/*/runs',
    })
  })
})

const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2F',
    '%2f',
    '%5C',
    '%00',
    '%41',
    '%',
    '\\',
    '#',
    '?',
    '@',
    '%40',
    '&',
  ),
  fc.constantFrom('openai', 'vertex', 'weir', '@kyc.run', 'v1', '__weir=t', 'a', ':', 'http://x'),
  fc.string({ maxLength: 3 }),
)
const anyTarget = fc.array(piece, { maxLength: 14 }).map((pieces) => pieces.join(''))
const servedTarget = anyTarget.map((rest) => `/openai/${rest}`)

describe('routes of whatever is sent', () => {
  it('never throw, and name nobody by a malformed name', () => {
    fc.assert(
      fc.property(fc.oneof(anyTarget, servedTarget, fc.string()), (target) => {
        const routed = get(target)
        if (!routed.ok) return
        for (const name of [routed.agent, routed.workflow])
          expect(name === '' || isIdentifier(name)).toBe(true)
      }),
      { numRuns: 2000 },
    )
  })

  it('are those of the normal form', () => {
    fc.assert(
      fc.property(fc.oneof(anyTarget, servedTarget), (target) => {
        const question = target.indexOf('?')
        const path = question === -1 ? target : target.slice(0, question)
        const normal = normalPath(path)
        if (!normal.startsWith('/')) return
        expect(normalPath(normal)).toBe(normal)
        const query = question === -1 ? '' : target.slice(question)
        const [raw, again] = [get(target), get(normal + query)]
        expect(withoutTarget(again)).toEqual(withoutTarget(raw))
      }),
      { numRuns: 2000 },
    )
  })

  it('send only what stays under the base path, in bytes that the client sent', () => {
    fc.assert(
      fc.property(servedTarget, (target) => {
        const routed = get(target.replace('/openai/', '/vertex/'))
        if (!routed.ok || routed.own) return
        expect(routed.target.startsWith('/v1/projects/p/')).toBe(true)
        const resolved = new URL(routed.target, 'http://upstream.example')
        expect(resolved.host).toBe('upstream.example')
        expect(resolved.pathname.startsWith('/v1/projects/p/')).toBe(true)
        const rest = routed.target.slice('/v1/projects/p'.length)
        const sent = target.slice('/openai'.length)
        expect(routed.ticket === '' && !sent.includes('__weir=') ? rest : sent).toBe(sent)
      }),
      { numRuns: 2000 },
    )
  })
})

function withoutTarget(routed: Routed): unknown {
  return routed.ok ? { ...routed, target: '' } : routed
}
