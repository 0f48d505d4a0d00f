import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { PRIORITIES, type Arrival } from '../core/model.ts'
import { isIdentifier } from './identifier.ts'
import { createIdentifier, type IdentifiedFacts, type IdentifierOptions } from './identify.ts'
import { KNOWN_HEADERS, strippedNames } from './known-headers.ts'
import { createRouter } from './route.ts'

const OPTIONS: IdentifierOptions = {
  hashKey: Buffer.alloc(32, 3),
  agentHeader: 'x-agent-id',
  wallClock: () => NOW,
}
const NOW = Date.UTC(2026, 10, 20, 20, 10, 0)
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const SPAN = '00f067aa0ba902b7'
const TRACEPARENT = `00-${TRACE}-${SPAN}-01`

const route = createRouter([{ name: 'up', basePath: '' }], { urlBytes: 8192 })
const identify = createIdentifier(OPTIONS)

interface Call {
  readonly target?: string
  readonly method?: string
  readonly remote?: string
  readonly by?: ReturnType<typeof createIdentifier>
  readonly verified?: string
}

function see(headers: Record<string, string>, call: Call = {}): { arrival: Arrival; facts: IdentifiedFacts } {
  return seeRaw(Object.entries(headers).flat(), call)
}

function seeRaw(raw: readonly string[], call: Call = {}): { arrival: Arrival; facts: IdentifiedFacts } {
  const method = call.method ?? 'POST'
  const routed = route(method, call.target ?? '/up/v1/chat/completions')
  if (!routed.ok) throw new Error(routed.reason)
  const arrival = blankArrival()
  const facts = (call.by ?? identify)(raw, call.remote ?? '10.0.0.1', routed, method, arrival, call.verified)
  return { arrival, facts }
}

const agentOf = (headers: Record<string, string>, call: Call = {}): string => see(headers, call).arrival.agent
const workflowOf = (headers: Record<string, string>, call: Call = {}): string =>
  see(headers, call).arrival.workflow

const signed = (key: string, day: string): string =>
  `AWS4-HMAC-SHA256 Credential=${key}/${day}/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=${day}`
const once = (headers: Record<string, string>): number =>
  see({ 'weir-agent': 'a', ...headers }).arrival.onceKey

describe('who calls', () => {
  it('takes the sources in their order, and the next one when one is malformed', () => {
    const sources: [string, string, string, RegExp][] = [
      ['weir-agent', 'from-weir', 'weir-agent', /^from-weir$/],
      ['x-agent-id', 'from-config', 'configured', /^from-config$/],
      ['x-claude-code-agent-id', 'from-harness', 'harness-agent', /^from-harness$/],
      ['x-claude-code-session-id', 'from-session', 'harness-session', /^from-session$/],
      ['baggage', 'agent.id=from-baggage', 'baggage', /^from-baggage$/],
      ['openai-project', 'proj_1', 'project', /^proj_1$/],
      ['authorization', 'Bearer sk-1', 'key', /^key-[0-9a-f]{12}$/],
      ['mcp-session-id', 'session', 'mcp-session', /^mcp-[0-9a-f]{12}$/],
    ]
    const headers = Object.fromEntries(sources.map(([name, value]) => [name, value]))
    expect(see(headers, { target: '/@from-url/up/x' }).facts.agentSource).toBe('base-url')
    for (const [name, , source, agent] of sources) {
      const { arrival, facts } = see(headers)
      expect(facts.agentSource).toBe(source)
      expect(arrival.agent).toMatch(agent)
      if (source === 'key' || source === 'mcp-session') delete headers[name]
      else headers[name] = source === 'baggage' ? 'agent.id=not well' : 'not well formed'
    }
    const last = see(headers)
    expect(last.facts.agentSource).toBe('peer')
    expect(last.arrival.agent).toMatch(/^peer-[0-9a-f]{12}$/)
  })

  it('believes a checked credential before every claim, and only that one fully', () => {
    const { arrival, facts } = see({ 'weir-agent': 'other' }, { verified: 'kyc', target: '/@third/up/x' })
    expect([arrival.agent, arrival.trust, facts.agentSource]).toEqual(['kyc', 'verified', 'verified'])
    expect(see({ 'weir-agent': 'other' }, { verified: '' }).arrival).toMatchObject({
      agent: 'other',
      trust: 'claimed',
    })
    expect(see({ authorization: 'Bearer k' }).arrival.trust).toBe('derived')
  })

  it('gives nobody a reserved name for a claim, wherever it stands', () => {
    const by = createIdentifier({ ...OPTIONS, isReserved: (name) => name === 'kyc' })
    const claims: [Record<string, string>, string?][] = [
      [{ 'weir-agent': 'kyc' }],
      [{}, '/@kyc/up/x'],
      [{ 'x-agent-id': 'kyc' }],
      [{ 'x-claude-code-session-id': 'kyc' }],
      [{ baggage: 'agent.id=kyc' }],
      [{ 'openai-project': 'kyc' }],
    ]
    for (const [headers, target = '/up/x'] of claims) {
      const { arrival, facts } = see(headers, { by, target })
      expect([arrival.trust, facts.agentSource]).toEqual(['derived', 'peer'])
      expect(arrival.agent).toMatch(/^peer-[0-9a-f]{12}$/)
    }
    const keyed = see({ 'weir-agent': 'kyc', authorization: 'Bearer k' }, { by }).arrival
    expect(keyed).toMatchObject({ agent: expect.stringMatching(/^key-/), trust: 'derived' })
    expect(see({ 'weir-agent': 'kyc-2' }, { by }).arrival.agent).toBe('kyc-2')
    expect(see({}, { by, verified: 'kyc' }).arrival).toMatchObject({ agent: 'kyc', trust: 'verified' })
  })

  it('reads header names in any spelling', () => {
    for (const name of ['weir-agent', 'Weir-Agent', 'WEIR-AGENT', 'wEiR-aGeNt'])
      expect(agentOf({ [name]: 'a' })).toBe('a')
  })

  it('is not changed by the underscore twin of a header', () => {
    expect(agentOf({ weir_agent: 'evil', x_agent_id: 'evil', 'weir-agent': 'good' })).toBe('good')
    expect(agentOf({ weir_agent: 'evil' })).toMatch(/^peer-/)
  })

  it('takes the first well formed value of a repeated header', () => {
    expect(seeRaw(['weir-agent', 'not well', 'weir-agent', 'a', 'weir-agent', 'b']).arrival.agent).toBe('a')
  })

  it('knows one key under all its headers, and no two keys as one', () => {
    const [agent] = [agentOf({ authorization: 'Bearer sk-1' })]
    for (const same of [
      { authorization: 'bearer sk-1' },
      { Authorization: 'sk-1' },
      { 'x-api-key': 'sk-1' },
      { 'x-goog-api-key': 'sk-1' },
      { 'api-key': 'sk-1' },
      { 'sec-websocket-protocol': 'realtime, openai-insecure-api-key.sk-1, other' },
    ]) {
      expect(agentOf(same)).toBe(agent)
    }
    expect(agentOf({ authorization: 'Bearer sk-2' })).not.toBe(agent)
    expect(see({ 'x-api-key': 'sk-1' }).arrival.credential).toBe(
      see({ authorization: 'Bearer sk-1' }).arrival.credential,
    )
  })

  it('knows an AWS key across days, regions and signatures', () => {
    const agent = agentOf({ authorization: signed('AKIA1', '20261120') })
    expect(agent).toMatch(/^key-/)
    expect(agentOf({ authorization: signed('AKIA1', '20261121') })).toBe(agent)
    expect(agentOf({ authorization: signed('AKIA2', '20261120') })).not.toBe(agent)
  })

  it('takes no identity from schemes that change with every call', () => {
    expect(agentOf({ authorization: 'Digest username="a", nonce="1"' })).toMatch(/^peer-/)
    expect(see({ authorization: 'Negotiate YII' }).arrival.credential).toBe(0)
  })

  it('tells peers apart by address, user agent and SDK', () => {
    const agents = [
      agentOf({ 'user-agent': 'a' }),
      agentOf({ 'user-agent': 'b' }),
      agentOf({ 'user-agent': 'a' }, { remote: '10.0.0.2' }),
      agentOf({ 'user-agent': 'a', 'x-stainless-package-version': '1' }),
    ]
    expect(new Set(agents).size).toBe(4)
    expect(agentOf({ 'user-agent': 'a' })).toBe(agents[0])
  })

  it('shows no part of a secret or an address', () => {
    const { arrival, facts } = see({ authorization: 'Bearer sk-secret-1', 'mcp-session-id': 'sess-secret-2' })
    const text = JSON.stringify([arrival, facts, see({}, { remote: '203.0.113.77' })])
    for (const secret of ['secret', '203.0.113.77']) expect(text).not.toContain(secret)
  })
})

describe('which workflow and which parent', () => {
  it('takes the sources in their order', () => {
    const headers: Record<string, string> = {
      'weir-workflow': 'w-header',
      traceparent: TRACEPARENT,
      baggage: 'session.id=w-baggage',
      'session-id': 'w-session',
      'helicone-session-id': 'w-gateway',
      'mcp-session-id': 'mcp',
    }
    const url = { target: '/@a.w-url/up/x' }
    const found = [workflowOf(headers, url)]
    delete headers['weir-workflow']
    found.push(workflowOf(headers, url))
    for (const name of ['traceparent', 'baggage', 'session-id', 'helicone-session-id', 'mcp-session-id']) {
      found.push(workflowOf(headers))
      delete headers[name]
    }
    found.push(workflowOf(headers))
    expect(found.slice(0, 6)).toEqual(['w-header', 'w-url', TRACE, 'w-baggage', 'w-session', 'w-gateway'])
    expect(found[6]).toMatch(/^mcp-[0-9a-f]{12}$/)
    expect(found[7]).toBe('')
  })

  it('ignores a malformed trace', () => {
    expect(workflowOf({ traceparent: `00-${'0'.repeat(32)}-${SPAN}-01` })).toBe('')
  })

  it.each([
    [{ 'x-claude-code-session-id': 's' }, 's', 's', ''],
    [{ 'x-claude-code-session-id': 's', 'x-claude-code-agent-id': 'a' }, 'a', 's', 's'],
    [
      {
        'x-claude-code-session-id': 's',
        'x-claude-code-agent-id': 'b',
        'x-claude-code-parent-agent-id': 'a',
      },
      'b',
      's',
      'a',
    ],
    [{ 'session-id': 's', 'thread-id': 't', 'x-codex-parent-thread-id': 'p' }, 't', 's', 'p'],
    [{ 'x-session-id': 'child', 'x-parent-session-id': 'root' }, 'child', 'root', 'root'],
    [{ 'x-dynamo-session-id': 'child', 'x-dynamo-parent-session-id': 'root' }, 'child', 'root', 'root'],
    [{ 'weir-agent': 'a', traceparent: TRACEPARENT }, 'a', TRACE, SPAN],
    [{ 'weir-agent': 'a', 'weir-workflow': 'w', traceparent: TRACEPARENT }, 'a', 'w', ''],
    [{ 'thread-id': 't', 'x-codex-parent-thread-id': 't' }, 't', '', ''],
  ])('reads %j as agent %s in workflow %s under %s', (headers, agent, workflow, parent) => {
    expect(see(headers).arrival).toMatchObject({ agent, workflow, parent })
  })
})

describe('which attempt', () => {
  it.each([
    [{ 'x-stainless-retry-count': '0' }, 0],
    [{ 'X-Stainless-Retry-Count': '1' }, 2],
    [{ 'x-stainless-retry-count': 'two' }, 0],
    [{ 'amz-sdk-request': 'attempt=1' }, 1],
    [{ 'amz-sdk-request': 'ttl=20261120T201005Z; attempt=3; max=4' }, 3],
    [{ 'x-envoy-attempt-count': '1' }, 0],
    [{ 'x-envoy-attempt-count': '2' }, 2],
    [{ 'grpc-previous-rpc-attempts': '2' }, 3],
    [{ 'x-stainless-retry-count': '999999999' }, 0],
    [{}, 0],
  ])('reads %j as %i', (headers, attempt) => {
    expect(see(headers).arrival.attempt).toBe(attempt)
  })

  it('has one fingerprint for all attempts of a call, whatever changes between them', () => {
    const base = {
      'weir-agent': 'a',
      'user-agent': 'x',
      'content-length': '7',
      'content-type': 'application/json',
    }
    const { fingerprint } = see(base).arrival
    for (const more of [
      { 'x-stainless-retry-count': '1' },
      { traceparent: TRACEPARENT },
      { range: 'bytes=6-' },
      { 'x-amz-date': '20261120T201005Z' },
      { authorization: 'Bearer rotated' },
    ]) {
      expect(see({ ...base, ...more }).arrival.fingerprint).toBe(fingerprint)
    }
    expect(see(base, { target: '/up/v1/chat/completions?__weir=t' }).arrival.fingerprint).toBe(fingerprint)
    expect(see(base, { target: '/@b.w/up/v1/chat/completions' }).arrival.fingerprint).not.toBe(fingerprint)
    for (const other of [
      { 'content-length': '8' },
      { 'user-agent': 'y' },
      { 'weir-agent': 'b' },
      { 'content-type': 'x' },
    ]) {
      expect(see({ ...base, ...other }).arrival.fingerprint).not.toBe(fingerprint)
    }
    expect(see(base, { target: '/up/v1/x' }).arrival.fingerprint).not.toBe(fingerprint)
    expect(see(base, { method: 'PUT' }).arrival.fingerprint).not.toBe(fingerprint)
  })

  it('knows a logical call by an id made for it, and a shared id only with the fingerprint', () => {
    expect(once({})).toBe(0)
    const key = once({ 'idempotency-key': 'k', 'content-length': '1' })
    expect(key).toBeGreaterThan(0)
    expect(once({ 'idempotency-key': 'k', 'content-length': '2' })).toBe(key)
    expect(once({ 'idempotency-key': 'l', 'content-length': '1' })).not.toBe(key)
    const shared = once({ traceparent: TRACEPARENT, 'content-length': '1' })
    expect(once({ traceparent: TRACEPARENT, 'content-length': '1' })).toBe(shared)
    expect(once({ traceparent: TRACEPARENT, 'content-length': '2' })).not.toBe(shared)
    expect(once({ 'x-request-id': 'r', traceparent: TRACEPARENT })).toBe(once({ 'x-request-id': 'r' }))
  })
})

describe('how long the client waits', () => {
  it.each([
    [{ 'user-agent': 'OpenAI/JS 7.55.0' }, 300_000, false],
    [{ 'user-agent': 'OpenAI/JS 7.55.0', 'x-stainless-timeout': '2' }, 2000, true],
    [{ 'user-agent': 'Anthropic/JS 1.11.0', 'X-Stainless-Timeout': '600' }, 300_000, true],
    [
      {
        'user-agent': 'OpenAI/Python 2.46.0',
        'x-stainless-read-timeout': '600',
        'x-stainless-timeout': 'NOT_GIVEN',
      },
      600_000,
      true,
    ],
    [{ 'user-agent': 'OpenAI/Python 2.46.0', 'x-stainless-timeout': 'NOT_GIVEN' }, 600_000, false],
    [{ 'user-agent': 'google-genai-sdk/3.1.0 gl-node/24', 'X-Server-Timeout': '20' }, 20_000, true],
    [{ 'user-agent': 'Go-http-client/1.1', 'grpc-timeout': '100m' }, 100, true],
    [{ 'user-agent': 'Go-http-client/1.1' }, Infinity, false],
    [{ 'user-agent': 'python-httpx/0.23.3' }, 5000, false],
    [{ 'user-agent': 'python-httpx/0.23.3', prefer: 'wait=60' }, 60_000, true],
    [{ 'user-agent': 'python-httpx/0.23.3', prefer: 'wait=60', 'x-stainless-timeout': '10' }, 10_000, true],
    [{ 'user-agent': 'Boto3/1.43', 'amz-sdk-request': 'ttl=20261120T201005Z; attempt=2' }, 5000, true],
    [{ 'user-agent': 'Boto3/1.43', 'amz-sdk-request': 'ttl=20261120T200905Z; attempt=2' }, 0, true],
  ])('reads %j as %d ms', (headers, patienceMs, isExplicit) => {
    const { arrival, facts } = see(headers)
    expect(arrival.patienceMs).toBe(patienceMs)
    expect(facts.patienceIsExplicit).toBe(isExplicit)
  })
})

describe('how it calls', () => {
  it('reads length, priority and preferences', () => {
    const { arrival, facts } = see({
      'content-length': '42',
      'weir-priority': 'Batch',
      prefer: 'respond-async, wait=9',
    })
    expect(arrival).toMatchObject({
      bytes: 42,
      priority: 'batch',
      deferrable: true,
      holdable: true,
      longLived: false,
    })
    expect(facts).toMatchObject({
      preferWaitMs: 9000,
      expectContinue: false,
      upgrade: '',
      wantsTrailers: false,
      resume: '',
    })
    expect(see({ 'transfer-encoding': 'chunked' }).arrival.bytes).toBe(-1)
    expect(see({}).arrival).toMatchObject({ bytes: 0, priority: 'normal', deferrable: false })
    expect(see({ 'weir-priority': 'urgent' }).arrival.priority).toBe('normal')
  })

  it('reads what the forwarder needs', () => {
    const { facts } = see({ expect: '100-Continue', te: 'trailers', range: 'bytes=6-' })
    expect(facts).toMatchObject({ expectContinue: true, wantsTrailers: true, resume: 'range' })
    expect(see({ 'last-event-id': 'ev-1' }).facts.resume).toBe('last-event-id')
  })

  it.each([
    ['GET', { accept: 'application/json, text/event-stream' }, '/up/mcp'],
    ['POST', { 'mcp-method': 'subscriptions/listen' }, '/up/mcp'],
    ['POST', { 'mcp-method': 'tasks/get' }, '/up/mcp'],
    ['POST', {}, '/up/tasks/1:subscribe'],
  ])('takes %s with %j for long-lived', (method, headers, target) => {
    expect(see(headers, { method, target }).arrival).toMatchObject({ longLived: true, holdable: false })
  })

  it('can hold an upgrade although it lives long', () => {
    const { arrival, facts } = see({ upgrade: 'WebSocket' }, { method: 'GET' })
    expect(arrival).toMatchObject({ longLived: true, holdable: true })
    expect(facts.upgrade).toBe('websocket')
    expect(see({ upgrade: 'h2c' }).facts.upgrade).toBe('')
  })

  it('does not take a streamed completion for long-lived', () => {
    expect(see({ accept: 'text/event-stream' }).arrival.longLived).toBe(false)
  })

  it('copies the route, and gives all own paths one template', () => {
    expect(see({}, { target: '/up/v1/x?q=1' }).arrival).toMatchObject({
      upstream: 0,
      path: '/v1/x',
      route: '/v1/x',
      method: 'POST',
    })
    expect(see({}, { target: '/weir/v1/calls/1' }).arrival).toMatchObject({ upstream: -1, route: '/weir' })
  })

  it('leaves nothing of one call in the next', () => {
    const everything = KNOWN_HEADERS.flatMap(({ name }) => [name, '1'])
    seeRaw([
      ...everything,
      'prefer',
      'respond-async, wait=1',
      'weir-priority',
      'critical',
      'traceparent',
      TRACEPARENT,
    ])
    const fresh = createIdentifier(OPTIONS)
    expect(see({})).toEqual(see({}, { by: fresh }))
  })
})

describe('whatever the headers hold', () => {
  const name = fc.oneof(
    fc.constantFrom(...KNOWN_HEADERS.map((known) => known.name)),
    fc.constantFrom('Authorization', 'X-Stainless-Timeout', 'x-agent-id', '__proto__', 'constructor', ''),
    fc.string(),
  )
  const value = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'Bearer ',
      'AWS4-HMAC-SHA256 Credential=',
      TRACEPARENT,
      'agent.id=%',
      'wait=',
      'attempt=',
      'a\r\nb',
      'a'.repeat(200),
    ),
  )

  it('gives every call a well formed agent and sane facts', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 12 }), (headers) => {
        const { arrival, facts } = seeRaw(headers.flat())
        expect(isIdentifier(arrival.agent)).toBe(true)
        for (const id of [arrival.workflow, arrival.parent]) expect(id === '' || isIdentifier(id)).toBe(true)
        for (const hash of [arrival.fingerprint, arrival.onceKey, arrival.credential]) {
          expect(Number.isSafeInteger(hash) && hash >= 0).toBe(true)
        }
        expect(arrival.fingerprint).toBeGreaterThan(0)
        expect(arrival.patienceMs).toBeGreaterThanOrEqual(0)
        expect(Number.isInteger(arrival.bytes) && arrival.bytes >= -1).toBe(true)
        expect(Number.isInteger(arrival.attempt) && arrival.attempt >= 0 && arrival.attempt <= 1000).toBe(
          true,
        )
        expect(PRIORITIES).toContain(arrival.priority)
        expect(facts.preferWaitMs).toBeGreaterThanOrEqual(-1)
      }),
      { numRuns: 1000 },
    )
  })

  it('survives a list of odd length', () => {
    expect(isIdentifier(seeRaw(['weir-agent']).arrival.agent)).toBe(true)
  })
})

describe('what is taken away before the upstream', () => {
  it('is our own names, the configured header, and their twins', () => {
    const names = strippedNames('x-agent-id')
    for (const name of [
      'weir-agent',
      'weir_agent',
      'weir-workflow',
      'weir_priority',
      'x-agent-id',
      'x_agent_id',
    ]) {
      expect(names.has(name)).toBe(true)
    }
    for (const name of ['authorization', 'traceparent', 'x-claude-code-session-id', ''])
      expect(names.has(name)).toBe(false)
    expect(strippedNames('').has('')).toBe(false)
  })
})

function blankArrival(): Arrival {
  return {
    at: 0,
    call: 0,
    upstream: 0,
    agent: '',
    trust: 'derived',
    workflow: '',
    parent: '',
    method: '',
    path: '',
    route: '',
    bytes: 0,
    priority: 'normal',
    family: '',
    patienceMs: Infinity,
    attempt: 0,
    onceKey: 0,
    fingerprint: 0,
    credential: 0,
    longLived: false,
    holdable: false,
    deferrable: false,
  }
}
