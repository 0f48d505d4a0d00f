// oxlint-disable typescript/no-unsafe-type-assertion -- fakes are not typed more narrowly
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { EventView } from './admin/views.ts'
import { ConfigError } from './config.ts'
import type { AuthConfig, IdentityConfig } from './identity-config.ts'
import { newKey } from './identity/api-key.ts'
import { withKey } from './identity/keys-file.ts'
import { joinIdentity, type IdentityMembership } from './identity-membership.ts'
import { createLog } from './telemetry/log.ts'

let dir = ''
let lines: string[]
let events: EventView[]
let joined: IdentityMembership | undefined
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'weir-membership-'))
  writeFileSync(join(dir, 'keys.yaml'), 'keys: []')
  lines = []
  events = []
})
afterEach(async () => {
  vi.useRealTimers()
  await joined?.stop()
  rmSync(dir, { recursive: true, force: true })
})

function auth(): AuthConfig {
  return {
    mode: 'required',
    keys: join(dir, 'keys.yaml'),
    issuers: [],
    certificates: undefined,
    permissions: { unlisted: 'allow', groups: {}, grants: [] },
  }
}

function joinWith(config: IdentityConfig, lookEveryMs = 5): IdentityMembership {
  const sink = { write: (line: string) => void lines.push(line) }
  joined = joinIdentity(config, {
    upstreams: ['up', 'other'],
    agentHeader: 'x-agent-id',
    clock: () => performance.now(),
    wall: Date.now,
    log: createLog({ level: 'info', access: false, clock: () => performance.now(), sink }),
    onEvent: (event) => events.push(event),
    lookEveryMs,
  })
  return joined
}

const shows = (key: string): IncomingMessage =>
  ({ rawHeaders: ['weir-key', key] }) as unknown as IncomingMessage

it('tells of a flood of wrong keys in one line and one event per ten seconds, and counts them all', async () => {
  vi.useFakeTimers()
  const { gate, ...rest } = joinWith({ auth: auth(), credentials: {} }, 1_000_000)
  await rest.start()
  for (let second = 0; second < 30; second++) {
    for (let n = 0; n < 1000; n++) void gate?.check(shows(`a.${n}`), 0)
    vi.advanceTimersByTime(1000)
  }
  expect(joined?.reading?.checks.key.refused).toBe(30_000)
  expect(lines.filter((line) => line.includes('callers were refused'))).toHaveLength(3)
  expect(events.map(({ name, readings }) => [name, readings['new']])).toEqual(
    Array.from({ length: 3 }, () => ['callers-refused', 10_000]),
  )
  vi.advanceTimersByTime(60_000)
  expect(events).toHaveLength(3)
  expect(joined?.may({ agent: 'kyc', trust: 'verified' }, { do: 'state.read', on: 'x' })).toBe(true)
})

it('follows the credentials of upstreams in their files, and keeps the last good one', async () => {
  const file = join(dir, 'secret')
  writeFileSync(file, 'one\n')
  const { injected, ...rest } = joinWith({
    auth: undefined,
    credentials: {
      up: {
        authorization: { is: 'file', path: file, prefix: 'Bearer ' },
        'x-org': { is: 'text', text: 'acme' },
      },
    },
  })
  await rest.start()
  const headers = (): readonly string[] => injected?.(0)?.headers ?? []
  expect(headers()).toEqual(['authorization', 'Bearer one', 'x-org', 'acme'])
  expect(injected?.(1)).toBeUndefined()
  expect([...(injected?.(0)?.stripped ?? [])]).toEqual(
    expect.arrayContaining(['weir-agent', 'x-agent-id', 'authorization', 'x-api-key', 'x-org']),
  )
  writeFileSync(file, 'second')
  await vi.waitFor(() => expect(headers()[1]).toBe('Bearer second'))
  writeFileSync(file, 'not\nof one line')
  await vi.waitFor(() => expect(lines.join('')).toContain('nothing that may stand in a header'))
  expect(headers()[1]).toBe('Bearer second')
  expect(lines.join('')).not.toContain('not\\nof')
})

it('does not start with a file that is not in order', () => {
  writeFileSync(join(dir, 'keys.yaml'), 'keys: 7')
  expect(() => joinWith({ auth: auth(), credentials: {} })).toThrow(ConfigError)
  const missing = { is: 'file', path: join(dir, 'none'), prefix: '' } as const
  expect(() => joinWith({ auth: undefined, credentials: { up: { authorization: missing } } })).toThrow(
    /upstreams\.up\.credentials.*ENOENT/,
  )
})

it('takes a key that was added while it runs', async () => {
  const path = join(dir, 'keys.yaml')
  const { gate, ...rest } = joinWith({ auth: auth(), credentials: {} })
  await rest.start()
  const { record, key } = newKey('kyc', 0)
  writeFileSync(path, withKey(path, readFileSync(path, 'utf8'), record))
  await vi.waitFor(() => expect(gate?.check(shows(key), 0)).toBe('kyc'))
  expect(gate?.isReserved('kyc')).toBe(true)
  expect(joined?.reading?.keys).toBe(1)
})

it('is nothing where nothing is configured', async () => {
  const none = joinIdentity(undefined, {
    upstreams: [],
    agentHeader: '',
    clock: () => 0,
    wall: () => 0,
    log: createLog({ level: 'silent', access: false, clock: () => 0 }),
  })
  await none.start()
  expect([none.gate, none.injected, none.reading]).toEqual([undefined, undefined, undefined])
  expect(none.may({ agent: '', trust: 'derived' }, { do: 'state.write', on: 'x' })).toBe(true)
  await none.stop()
})
