import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { OTHER_KEY, TEST_CERT, TEST_KEY } from '../test/kit/tls-fixture.ts'
import { loadConfig, readConfig, type Config } from './config.ts'
import { formatProblem } from './policy/problems.ts'

let cwd = ''
const env: Record<string, string> = {}

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'weir-tls-config-'))
  for (const [name, text] of [
    ['tls.crt', TEST_CERT],
    ['tls.key', TEST_KEY],
    ['other.key', OTHER_KEY],
  ] as const)
    writeFileSync(join(cwd, name), text)
})
afterEach(() => {
  rmSync(cwd, { recursive: true, force: true })
  for (const name of Object.keys(env)) delete env[name]
})

function write(text: string): void {
  writeFileSync(join(cwd, 'weir.yaml'), `upstreams: { a: 'https://a.test' }\n${text}`)
}

function load(text: string): Config['proxy'] {
  write(text)
  return loadConfig({ env, cwd }).proxy
}

function problems(text: string): string[] {
  write(text)
  const read = readConfig({ env, cwd })
  return read.ok ? [] : read.problems.map(formatProblem)
}

/** A whole file. */
function upstream(aws: string): string {
  return `upstreams: { a: { url: 'https://a.test', aws: { region: us-east-1${aws} } } }`
}

describe('tls', () => {
  it('is absent unless it is said, and HTTP/2 is there', () => {
    expect(load('')).toMatchObject({ tls: undefined, http2: { streams: 128 } })
    expect(load('http2: { enabled: false }').http2).toBeUndefined()
  })

  it('needs a certificate and its key, from the folder of the file', () => {
    expect(load('tls: { cert: tls.crt, key: tls.key }').tls).toEqual({
      certificates: [{ cert: join(cwd, 'tls.crt'), key: join(cwd, 'tls.key') }],
      clientCa: undefined,
      clientCert: 'none',
      minVersion: 'TLSv1.2',
      handshakeTimeoutMs: 10_000,
      plain: true,
    })
  })

  it('serves plain connections on the same port by itself only where nobody else reaches it', () => {
    const tls = 'tls: { cert: tls.crt, key: tls.key }'
    expect(load(`listen: 0.0.0.0:8080\nauth: { mode: none }\n${tls}`).tls?.plain).toBe(false)
    expect(load('tls: { cert: tls.crt, key: tls.key, plain: false }').tls?.plain).toBe(false)
  })

  it('says what is wrong with a pair at its place', () => {
    const [mismatch, ...more] = problems('tls: { cert: tls.crt, key: other.key }')
    expect(more).toEqual([])
    expect(mismatch).toMatch(/^weir\.yaml:2:\d+: .*other\.key is not the key of the first certificate/)
    expect(mismatch).toContain('allowed: a pair')
    const second = problems('tls: { cert: tls.crt, key: tls.key, more: [{ cert: none.crt, key: tls.key }] }')
    expect(second.length).toBe(1)
    expect(second[0]).toMatch(/none\.crt is refused \(it cannot be read: ENOENT\)/)
  })

  it('asks for no certificates of clients without an authority to verify them with', () => {
    expect(problems('tls: { cert: tls.crt, key: tls.key, clientCert: required }')[0]).toContain('clientCa')
  })
})

const read = (aws: string): ReturnType<typeof readConfig> => {
  writeFileSync(join(cwd, 'weir.yaml'), upstream(aws))
  return readConfig({ env, cwd })
}

describe('aws', () => {
  it('takes its keys from the environment, or all of them from the file', () => {
    Object.assign(env, { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 's', AWS_SESSION_TOKEN: 't' })
    const fromEnv = read('')
    expect(fromEnv.ok && fromEnv.config.proxy.upstreams[0]?.aws).toEqual({
      region: 'us-east-1',
      service: 'bedrock',
      accessKeyId: 'AKID',
      secretAccessKey: 's',
      sessionToken: 't',
    })
    const own = read(', accessKeyId: OWN, secretAccessKey: own')
    expect(own.ok && own.config.proxy.upstreams[0]?.aws).toMatchObject({
      accessKeyId: 'OWN',
      sessionToken: '',
    })
  })

  it('is refused without keys, and with half of them', () => {
    for (const aws of ['', ', accessKeyId: OWN']) {
      const refused = read(aws)
      expect(refused.ok).toBe(false)
      const [problem] = refused.ok ? [] : refused.problems.map(formatProblem)
      expect(problem).toContain('AWS_ACCESS_KEY_ID')
    }
  })
})
