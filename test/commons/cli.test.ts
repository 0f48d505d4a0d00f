/** The verbs that ask a running Weir for its commons, as processes. */
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFace, type Face } from '../../src/commons/http/face.ts'
import { startProxy, type TestProxy } from '../kit/proxy.ts'
import { caller, LiveWall, neverGone, testCommons, type TestCommons } from './kit.ts'

const MAIN = join(import.meta.dirname, '../../src/main.ts')
let commons: TestCommons
let face: Face
let proxy: TestProxy

beforeAll(async () => {
  commons = testCommons(new LiveWall())
  face = createFace(commons, '1.2.3')
  proxy = await startProxy({
    upstreams: { api: new URL('http://127.0.0.1:9') },
    own: (request, response, path, from) => face.serve(request, response, path, from),
  })
  const capabilities = [{ name: 'draft', version: '2' }]
  await commons.registry.register(caller('ann'), 'ann', { capabilities, ttlMs: 600_000 })
  commons.flows.ended('bob', 0, true, commons.wall.now())
  await commons.tasks.create(caller('boss', 'story'), { id: 'one', kind: 'draft', retryDelayMs: 0 })
  const task = await commons.dispatcher.claim(caller('ann'), ['draft'], 0, neverGone)
  await commons.tasks.fail(caller('ann'), 'one', task!.fence, 'a \u001B[31mred\u001B[0m reason')
  await commons.dispatcher.claim(caller('ann'), ['draft'], 0, neverGone)
})
afterAll(async () => {
  face.drain()
  await proxy.close()
})

function weir(...words: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--import', 'tsx', MAIN, ...words], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let out = ''
    let err = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    child.on('close', (code) => resolve({ code, out, err }))
  })
}

describe('weir agents', () => {
  it('shows those that registered and those that were only seen', async () => {
    const { code, out } = await weir('agents', '--weir', proxy.origin)
    expect(code).toBe(0)
    expect(out).toMatch(/^AGENT +LIVE +CAPABILITIES/m)
    expect(out).toMatch(/^ann +yes +draft@2 +1 +0 +- /m)
    expect(out).toMatch(/^bob +yes +\(not registered\) +0 +1 +100\.0 %/m)
  })

  it('prints the answer of the API with --json, and only who fits', async () => {
    const { out } = await weir('agents', '--weir', proxy.origin, '--capability', 'draft', '--json')
    expect(JSON.parse(out)).toMatchObject({ agents: [{ agent: 'ann' }] })
  })
})

describe('weir handoffs', () => {
  it('shows each as a line, without what could paint the terminal', async () => {
    const { code, out } = await weir('handoffs', 'story', '--weir', proxy.origin)
    expect(code).toBe(0)
    expect(out).toMatch(/^\S+ +one +draft +boss +ann +1$/m)
    expect(out).toMatch(/^\S+ +one +draft +ann +ann +2 +reassigned: failed: a ·\[31mred·\[0m reason$/m)
    expect(out).not.toContain('\u001B')
  })

  it('says so when there is none', async () => {
    expect((await weir('handoffs', 'other', '--weir', proxy.origin)).out).toBe(
      'No handoff of other is on the bus.\n',
    )
  })
})

describe('weir what-if', () => {
  it('answers in sentences', async () => {
    const { code, out } = await weir('what-if', 'one', '--weir', proxy.origin)
    expect(code).toBe(0)
    expect(out).toMatch(/^one \(draft\) is running: ann has it since/)
    expect(out).toContain('If ann says now that it failed: attempt 3 of 3')
  })

  it('of a task that there is not is one line and exit code 1', async () => {
    expect(await weir('what-if', 'none', '--weir', proxy.origin)).toEqual({
      code: 1,
      out: '',
      err: 'weir what-if: there is no task none\n',
    })
  })
})

describe('where no commons answers', () => {
  it('says that nothing is there, and what to do', async () => {
    const { code, err } = await weir('agents', '--weir', 'http://127.0.0.1:9')
    expect(code).toBe(1)
    expect(err).toMatch(
      /^weir agents: nothing answers at http:\/\/127\.0\.0\.1:9 \(.+\): start Weir, or name/,
    )
  })

  it('says that something else is there, or that the commons is off', async () => {
    const other = createServer((_request, response) => response.writeHead(404).end('<html>'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const origin = `http://127.0.0.1:${(other.address() as AddressInfo).port}`
    const { code, err } = await weir('handoffs', '--weir', origin)
    other.close()
    expect(code).toBe(1)
    expect(err).toContain('its commons is off (set commons.store in weir.yaml)')
  })

  it('takes no address that is none', async () => {
    expect((await weir('agents', '--weir', 'http://')).code).toBe(64)
  })
})
