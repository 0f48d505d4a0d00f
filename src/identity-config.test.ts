import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readConfig, type Config } from './config.ts'
import { formatProblem } from './policy/problems.ts'

let cwd = ''
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'weir-identity-config-'))
  writeFileSync(join(cwd, 'keys.yaml'), 'keys: []')
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const UPSTREAMS = 'upstreams: { api: http://127.0.0.1:1 }\n'

function read(text: string, env = {}): ReturnType<typeof readConfig> {
  writeFileSync(join(cwd, 'weir.yaml'), UPSTREAMS + text)
  return readConfig({ cwd, env })
}
function problems(text: string): string[] {
  const result = read(text)
  return result.ok ? [] : result.problems.map(formatProblem)
}
function config(text: string, env = {}): Config {
  const result = read(text, env)
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'))
  return result.config
}

describe('a port that other machines reach', () => {
  const NETWORK = 'listen: 0.0.0.0:8080\n'

  it('needs a word on who may call: one clear sentence says which words there are', () => {
    const [problem = '', ...others] = problems(NETWORK)
    expect(others).toEqual([])
    expect(problem).toContain('nothing says who may')
    expect(problem).toContain('auth: { keys: keys.yaml }')
    expect(problem).toContain('auth: { mode: none }')
  })

  it('may be open to all in plain words, and then nothing is checked', () => {
    expect(config(`${NETWORK}auth: { mode: none }`).identity).toBeUndefined()
  })

  it('denies whoever no grant names; without grants that would be everybody, which is said', () => {
    expect(problems(`${NETWORK}auth: { keys: keys.yaml }`)[0]).toMatch(
      /auth without permissions: every call would be refused/,
    )
    const grants = `${NETWORK}auth: { keys: keys.yaml }\npermissions: { grants: [{ agents: '*', upstreams: api }] }`
    expect(config(grants).identity?.auth).toMatchObject({
      mode: 'required',
      permissions: { unlisted: 'deny' },
    })
    expect(
      config(`${NETWORK}auth: { keys: keys.yaml }\npermissions: { unlisted: allow }`).identity?.auth
        ?.permissions,
    ).toEqual({ unlisted: 'allow', groups: {}, grants: [] })
  })
})

it('on loopback asks for nothing, and once there is a way to be known allows the unlisted', () => {
  expect(config('').identity).toBeUndefined()
  expect(config('auth: { keys: keys.yaml }').identity?.auth).toMatchObject({
    mode: 'required',
    permissions: { unlisted: 'allow' },
  })
})

it('reads a grant, its short forms too', () => {
  const text = `auth: { mode: optional, keys: keys.yaml }
permissions:
  groups: { desk: [ann, bob] }
  grants:
    - { groups: [desk, anonymous], upstreams: '*', methods: GET, paths: /v1/**, priority: batch, concurrency: 3 }
    - { agents: kyc, topics: order.*, state: [drafts/, plans/], tasks: review, schemas: event/order.* }
    - agents: [a, b]
      topics: { publish: x }
      state: { read: '*' }
      tasks: { decide: [review] }`
  expect(config(text).identity?.auth).toMatchObject({
    mode: 'optional',
    permissions: {
      groups: { desk: ['ann', 'bob'] },
      grants: [
        {
          agents: [],
          groups: ['desk', 'anonymous'],
          upstreams: ['*'],
          methods: ['GET'],
          paths: ['/v1/**'],
          priority: 'batch',
          concurrency: 3,
          publish: [],
        },
        {
          agents: ['kyc'],
          upstreams: [],
          publish: ['order.*'],
          subscribe: ['order.*'],
          readState: ['drafts/', 'plans/'],
          writeState: ['drafts/', 'plans/'],
          createTasks: ['review'],
          claimTasks: ['review'],
          readTasks: ['review'],
          decideTasks: [],
          writeSchemas: ['event/order.*'],
          concurrency: Infinity,
        },
        {
          agents: ['a', 'b'],
          publish: ['x'],
          subscribe: [],
          readState: ['*'],
          writeState: [],
          decideTasks: ['review'],
          createTasks: [],
        },
      ],
    },
  })
})

it('reads issuers and certificates, with their defaults', () => {
  writeFileSync(join(cwd, 'jwks.json'), '{}')
  const text = `auth:
  tokens:
    - { issuer: https://a, audiences: weir, jwks: jwks.json }
    - { issuer: https://b, audiences: [weir, w2], jwks: { url: 'https://b/jwks' }, algorithms: RS256, claim: azp, prefix: b-, agents: b-*, tolerance: 5s }
  certificates: { trustDomains: prod.example, forwardedFrom: 10.0.0.0/8 }`
  const auth = config(text).identity?.auth
  expect(auth?.issuers[0]).toEqual({
    options: {
      issuer: 'https://a',
      audiences: ['weir'],
      algorithms: ['RS256', 'ES256', 'EdDSA'],
      toleranceMs: 60_000,
      claim: 'sub',
      prefix: '',
      agents: ['*'],
    },
    jwks: { file: join(cwd, 'jwks.json') },
  })
  expect(auth?.issuers[1]).toMatchObject({
    options: { algorithms: ['RS256'], toleranceMs: 5000, claim: 'azp', prefix: 'b-', agents: ['b-*'] },
    jwks: { url: new URL('https://b/jwks'), ca: undefined, tokenFile: undefined },
  })
  expect(auth?.certificates).toEqual({
    trustDomains: ['prod.example'],
    agents: ['*'],
    forwardedFrom: ['10.0.0.0/8'],
  })
})

it('reads credentials of upstreams, from variables and from files', () => {
  const text = `  # nothing more\n`.replace(/.*/s, '')
  writeFileSync(
    join(cwd, 'weir.yaml'),
    `upstreams:\n  api:\n    url: http://127.0.0.1:1\n    credentials: { authorization: 'Bearer \${KEY}', x-org: { file: org, prefix: 'org ' } }\n${text}`,
  )
  const result = readConfig({ cwd, env: { KEY: 'of-the-operator' } })
  expect(result.ok && result.config.identity).toEqual({
    auth: undefined,
    credentials: {
      api: {
        authorization: { is: 'text', text: 'Bearer of-the-operator' },
        'x-org': { is: 'file', path: join(cwd, 'org'), prefix: 'org ' },
      },
    },
  })
})

it.each([
  ['auth: {}', /auth without a way to show who calls/],
  ['auth: { mode: required }', /auth without a way to show who calls/],
  ['auth: { mode: none, keys: keys.yaml }', /mode none beside keys/],
  ['auth: { mode: open }', /auth\.mode.*required, optional, none/],
  ['auth: { keys: nowhere.yaml }', /auth\.keys nowhere\.yaml cannot be read.*weir keys new/],
  ['permissions: { unlisted: allow }', /permissions without auth/],
  ['auth: { mode: none }\npermissions: { unlisted: allow }', /permissions without auth/],
  ['auth: { keys: keys.yaml }\npermissions: { grants: [{ upstreams: api }] }', /a grant for nobody/],
  [
    'auth: { keys: keys.yaml }\npermissions: { grants: [{ agents: a, upstreams: other }] }',
    /an upstream that is not there: other/,
  ],
  ['auth: { keys: keys.yaml }\npermissions: { grants: [{ groups: g }] }', /a group that is not there: g/],
  ['auth: { keys: keys.yaml }\npermissions: { groups: { anonymous: a } }', /anonymous/],
  ["auth: { keys: keys.yaml }\npermissions: { grants: [{ agents: '^a$' }] }", /regular expression/],
  [
    'auth: { keys: keys.yaml }\npermissions: { grants: [{ agents: a, concurrency: 0 }] }',
    /concurrency.*from 1/,
  ],
  ['auth: { tokens: [{ issuer: a, audiences: b }] }', /jwks/],
  ['auth: { tokens: [{ issuer: a, jwks: f }] }', /audiences is missing/],
  ['auth: { tokens: [{ issuer: a, audiences: b, jwks: f, algorithms: HS256 }] }', /algorithms.*RS256/],
  ['auth: { tokens: [{ issuer: a, audiences: b, jwks: { url: http://far/jwks } }] }', /https URL/],
  [
    'auth: { tokens: [{ issuer: a, audiences: b, jwks: { url: https://b, ca: keys.yaml } }] }',
    /hold no certificate/,
  ],
  ['auth: { certificates: { trustDomains: Prod } }', /trust domain in lower case/],
  ['auth: { certificates: { trustDomains: p, forwardedFrom: everywhere } }', /CIDR block/],
])('refuses %s, and says why', (text, problem) => {
  expect(problems(text).join('\n')).toMatch(problem)
})

it.each([
  'Authorization: x',
  'host: x',
  'content-length: 1',
  'weir-key: x',
  'proxy-authorization: x',
  'authorization: "a\\nb"',
])('refuses a credential that could change more than who calls: %s', (line) => {
  writeFileSync(
    join(cwd, 'weir.yaml'),
    `upstreams: { api: { url: http://127.0.0.1:1, credentials: { ${line} } } }`,
  )
  const result = readConfig({ cwd, env: {} })
  expect(result.ok).toBe(false)
  expect(result.ok ? '' : result.problems.map(formatProblem).join()).not.toContain('a\\nb')
})
