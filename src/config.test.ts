import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  ConfigError,
  guessDialect,
  loadConfig,
  readConfig,
  type Config,
  type ConfigSources,
} from './config.ts'
import { formatProblem } from './policy/problems.ts'

const OPENAI = 'openai=https://api.openai.com'
let cwd = ''

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'weir-config-'))
})
afterEach(() => rmSync(cwd, { recursive: true, force: true }))

function file(text: string): void {
  writeFileSync(join(cwd, 'weir.yaml'), text)
}

function load(sources: ConfigSources = {}): Config {
  return loadConfig({ env: {}, cwd, ...sources })
}

function problems(sources: ConfigSources = {}): string[] {
  const read = readConfig({ env: {}, cwd, ...sources })
  return read.ok ? [] : read.problems.map(formatProblem)
}

function delay(listen: string): number {
  return load({ flags: { upstream: [OPENAI], auth: 'none', listen } }).proxy.drainDelayMs
}

function key(secret: string): string {
  const { identity } = load({ env: { WEIR_HASH_KEY: secret }, flags: { upstream: [OPENAI] } }).proxy
  return identity.hashKey.toString('hex')
}

describe('the config', () => {
  it('needs no file: one flag is enough', () => {
    const config = load({ flags: { upstream: [OPENAI] } })
    expect(config.proxy.listen).toEqual({ host: '127.0.0.1', port: 8080 })
    expect(config.operator.listen).toEqual({ host: '127.0.0.1', port: 9090 })
    expect(config.proxy.upstreams).toEqual([
      {
        name: 'openai',
        url: new URL('https://api.openai.com'),
        dialect: 'openai',
        connectTimeoutMs: 5000,
        firstByteTimeoutMs: 300_000,
        idleTimeoutMs: 300_000,
        connections: 128,
        maxInFlight: 1024,
        websocket: true,
        client: 'wire',
        ca: undefined,
      },
    ])
    expect(config.policies).toHaveLength(1)
    expect(config.policies[0]).toMatch(/policies\/default\.yaml$/)
    expect(config.proxy.identity.hashKey).toHaveLength(32)
  })

  it('is frozen to its last list', () => {
    const config = load({ flags: { upstream: [OPENAI] } })
    expect(() => Object.assign(config.proxy.limits, { headerBytes: 1 })).toThrow(TypeError)
    expect(Object.isFrozen(config.proxy.upstreams)).toBe(true)
  })

  it('says that an upstream is missing, and how to give one', () => {
    expect(problems()).toEqual([
      'command line: no upstream; allowed: at least one, by name; ' +
        'fix: add --upstream openai=https://api.openai.com, or `upstreams:` in weir.yaml',
    ])
  })

  it('lets flags beat variables, and variables beat the file', () => {
    file(
      'listen: 127.0.0.1:1\noperator: { listen: 127.0.0.1:2 }\nlog: { level: error }\nupstreams: { a: http://file }',
    )
    const env = {
      WEIR_LISTEN: '127.0.0.1:11',
      WEIR_OPERATOR: '127.0.0.1:12',
      WEIR_UPSTREAMS: 'a=http://env, b=http://env',
    }
    const config = load({ env, flags: { listen: '127.0.0.1:21', upstream: ['b=http://flag'] } })
    expect([config.proxy.listen.port, config.operator.listen.port, config.log.level]).toEqual([
      21,
      12,
      'error',
    ])
    expect(config.proxy.upstreams.map(({ name, url }) => `${name} ${url.host}`)).toEqual(['a env', 'b flag'])
  })

  it('changes only the address when a flag names an upstream that the file describes', () => {
    file('upstreams: { a: { url: http://file, maxInFlight: 7 } }')
    const [upstream] = load({ flags: { upstream: ['a=http://flag/base'] } }).proxy.upstreams
    expect([upstream?.url.href, upstream?.maxInFlight]).toEqual(['http://flag/base', 7])
  })

  it('ignores the variables that Kubernetes makes for a service named weir', () => {
    const env = { WEIR_PORT: 'tcp://10.0.0.1:8080', WEIR_SERVICE_HOST: '10.0.0.1' }
    expect(load({ env, flags: { upstream: [OPENAI] } }).proxy.listen.port).toBe(8080)
  })

  it('puts variables into values, with defaults, as numbers where they are numbers', () => {
    file(
      "upstreams:\n  a:\n    url: ${BASE:=http://127.0.0.1:9}/v1\n    maxInFlight: ${MOST:=5}\n    websocket: '${WS}'\nlog: { level: '$${x' }",
    )
    expect(problems({ env: { WS: 'false' } })).toEqual([
      'weir.yaml:6:15: log.level is "$${x"; allowed: debug, info, warn, error, silent; fix: write one of them',
    ])
    file(
      "upstreams:\n  a:\n    url: ${BASE:=http://127.0.0.1:9}/v1\n    maxInFlight: ${MOST:=5}\n    websocket: '${WS}'\n",
    )
    const [upstream] = load({ env: { WS: 'false', MOST: '6' } }).proxy.upstreams
    expect([upstream?.url.href, upstream?.maxInFlight, upstream?.websocket]).toEqual([
      'http://127.0.0.1:9/v1',
      6,
      false,
    ])
  })

  it('tells a variable that is not set, once, where it is used', () => {
    file('upstreams:\n  a: ${NOPE}\n  b: http://${HALF\n')
    expect(problems()).toEqual([
      'weir.yaml:2:6: variable NOPE is not set; allowed: a variable of the environment; fix: set it, or write ${NOPE:=default}',
      'weir.yaml:3:6: a ${ that is no reference; allowed: ${NAME} or ${NAME:=default}; fix: close it, or write $${ for the characters',
    ])
  })

  it('never shows a secret or an address with credentials in a problem', () => {
    file('upstreams: { a: "http://user:hunter2@x" }\nidentity: { hashKey: "${KEY}" }')
    const text = problems({ env: { KEY: 'tooshort' } }).join('\n')
    expect(text.split('\n')).toHaveLength(2)
    expect(text).not.toContain('hunter2')
    expect(text).not.toContain('tooshort')
  })

  it('tells every problem at once, in order of place', () => {
    file(
      'listn: x\nupstreams:\n  weir: http://x\n  a: { url: ftp://x, conections: 3 }\nlog: { level: loud }\n',
    )
    expect(problems({ flags: { listen: 'nowhere' } })).toEqual([
      '--listen: listen is "nowhere"; allowed: host:port; fix: write it like 127.0.0.1:8080 or [::1]:8080',
      'weir.yaml:1:1: unknown key "listn"; allowed: version, listen, tls, http2, auth, permissions, operator, upstreams, policies, identity, limits, hold, drain, log, metrics, otlp, journal, deferral, admission, commons, board, workers, tables; nearest: listen; fix: write "listen"',
      'weir.yaml:3:3: the name "weir" in upstreams; allowed: a name of a-z, 0-9 and -, at most 63 characters, with no - at either end; weir itself is reserved; fix: rename it',
      'weir.yaml:4:13: upstreams.a.url is not valid (not shown here); allowed: an http or https URL without credentials, query or fragment; fix: change the value',
      'weir.yaml:4:22: unknown key "conections" in upstreams.a; allowed: url, dialect, connectTimeout, firstByteTimeout, idleTimeout, connections, maxInFlight, websocket, client, ca, credentials, aws; nearest: connections; fix: write "connections"',
      'weir.yaml:5:15: log.level is "loud"; allowed: debug, info, warn, error, silent; fix: write one of them',
    ])
  })

  it('throws them as one error that prints well', () => {
    expect(() => load()).toThrow(ConfigError)
    expect(() => load()).toThrow(/^command line: no upstream; allowed/)
  })

  it('says which flag is not name=url', () => {
    expect(problems({ flags: { upstream: ['openai', OPENAI] } })[0]).toBe(
      '--upstream: --upstream "openai"; allowed: name=url; fix: write it like openai=https://api.openai.com',
    )
  })

  it('refuses to let other machines in unless that is said in plain words', () => {
    const flags = { upstream: [OPENAI], listen: '0.0.0.0:8080' }
    expect(problems({ flags })[0]).toMatch(/^--listen: agents may connect from other machines \(0\.0\.0\.0\)/)
    expect(problems({ flags: { ...flags, auth: 'none' } })).toEqual([])
    expect(problems({ flags, env: { WEIR_AUTH: 'none' } })).toEqual([])
    file('auth: { mode: none }')
    expect(problems({ flags })).toEqual([])
    for (const listen of ['127.0.0.1:0', '127.8.8.8:1', '[::1]:1', 'localhost:1']) {
      rmSync(join(cwd, 'weir.yaml'), { force: true })
      expect([listen, problems({ flags: { ...flags, listen } })]).toEqual([listen, []])
    }
    expect(problems({ flags: { ...flags, listen: '127.evil.example:1' } })).toHaveLength(1)
  })

  it('keeps agents and operator on listeners of their own', () => {
    const flags = { upstream: [OPENAI], listen: '127.0.0.1:7', operator: '127.0.0.1:7' }
    expect(problems({ flags })[0]).toContain('agents and operator share 127.0.0.1:7')
    expect(problems({ flags: { ...flags, listen: '127.0.0.1:0', operator: '127.0.0.1:0' } })).toEqual([])
  })

  it('waits for balancers before it closes, but not on loopback', () => {
    expect([delay('127.0.0.1:1'), delay('0.0.0.0:1')]).toEqual([0, 5000])
  })

  it('finds policies from the folder of the file, or from where a flag was typed', () => {
    file('upstreams: { a: http://x }\npolicies: [mine]')
    expect(load().policies).toEqual([join(cwd, 'mine')])
    expect(load({ flags: { policies: ['a.yaml', '/b'] } }).policies).toEqual([join(cwd, 'a.yaml'), '/b'])
  })

  it('makes the same key of the same secret', () => {
    expect(key('a secret of some length')).toBe(key('a secret of some length'))
    expect(key('a secret of some length')).not.toBe(key('another secret of length'))
  })

  it('reads extra authorities, and says when the file holds none', () => {
    file('upstreams: { a: { url: https://x, ca: ca.pem } }')
    expect(problems()[0]).toContain('weir.yaml:1:39: upstreams.a.ca cannot be read (ENOENT)')
    writeFileSync(join(cwd, 'ca.pem'), 'hello')
    expect(problems()[0]).toContain('upstreams.a.ca holds no certificate')
    const pem = '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n'
    writeFileSync(join(cwd, 'ca.pem'), pem)
    expect(load().proxy.upstreams[0]?.ca).toBe(pem)
  })

  it('writes no journal unless it is told where, from the folder of the file or from where a flag was typed', () => {
    mkdirSync(join(cwd, 'etc'))
    writeFileSync(join(cwd, 'etc', 'w.yaml'), 'upstreams: { a: http://x }\njournal: { dir: calls }')
    expect(load({ flags: { upstream: [OPENAI] } }).journal).toBeUndefined()
    expect(load({ flags: { config: 'etc/w.yaml' } }).journal).toMatchObject({
      dir: join(cwd, 'etc', 'calls'),
      maxFileBytes: 64 * 1024 ** 2,
      maxTotalBytes: 1024 ** 3,
      hashIds: false,
      paths: false,
    })
    expect(load({ flags: { config: 'etc/w.yaml', journal: 'here' } }).journal?.dir).toBe(join(cwd, 'here'))
    expect(load({ flags: { config: 'etc/w.yaml' }, env: { WEIR_JOURNAL: '/j' } }).journal?.dir).toBe('/j')
  })

  it('reads the key of a journal from a file, and says when that holds none', () => {
    file(
      'upstreams: { a: http://x }\njournal: { dir: j, keyFile: k, maxFileBytes: 1MiB, maxTotalBytes: 1MiB }',
    )
    expect(problems()).toEqual([
      'weir.yaml:2:29: journal.keyFile cannot be read (ENOENT); allowed: a file with a secret of 16 to 1024 characters; fix: check the path; `head -c 32 /dev/urandom | base64` makes a key',
      'weir.yaml:2:67: 1048576 bytes in all are less than two parts of 1048576; allowed: at least twice maxFileBytes; fix: raise journal.maxTotalBytes, or lower journal.maxFileBytes',
    ])
    file('upstreams: { a: http://x }\njournal: { dir: j, keyFile: k }')
    writeFileSync(join(cwd, 'k'), 'short\n')
    expect(problems()[0]).toContain('journal.keyFile holds 5 characters')
    writeFileSync(join(cwd, 'k'), 'a secret of some length\n')
    const first = load().journal?.key.toString('hex')
    expect(load().journal?.key.toString('hex')).toBe(first)
    expect(first).toHaveLength(64)
  })

  it('says that a file that was named is not there', () => {
    expect(problems({ flags: { config: 'gone.yaml' } })).toEqual([
      'gone.yaml: cannot be read (ENOENT); allowed: a file; fix: check the path and its permissions',
    ])
  })
})

describe('the dialect of an upstream', () => {
  it.each([
    ['any', 'api.openai.com', 'openai'],
    ['any', 'x.openai.azure.com', 'openai'],
    ['any', 'api.anthropic.com', 'anthropic'],
    ['openai-eu', '10.0.0.1', 'openai'],
    ['claude', 'gateway', 'anthropic'],
    ['idp', 'idp.example', 'problem'],
    ['notopenai', 'openai.com.evil.example', 'problem'],
  ])('of %s at %s is %s', (name, host, dialect) => {
    expect(guessDialect(name, host)).toBe(dialect)
  })
})
